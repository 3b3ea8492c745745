import { type LossFunction, reduceMean, square, subtract } from '@tesserae/core';
import { architectureOf, type ImageTokenizerConfiguration } from './architectures.js';
import { countCodes } from './batch-usage.js';

/**
 * How pictures come back through hard codes, for any image tokenizer: the mean squared error of pixels in [0, 1] as `loss` and
 * `squaredError`, `codeCounts` [codebook] and the reconstructed `pictures` [batch, 3, size, size]. Input: `pixels` of the same shape.
 */
export function reconstructionLoss(configuration: ImageTokenizerConfiguration, batch: number): LossFunction {
  return ({ scope, parameters }) => {
    const { imageSize, codebookSize } = configuration;
    const architecture = architectureOf(configuration);
    const pixels = scope.input('pixels', [batch, 3, imageSize, imageSize]);
    const codes = architecture.codes(parameters, pixels);
    const pictures = architecture.pixels(parameters, codes);
    const squaredError = reduceMean(square(subtract(pictures, pixels)));
    return { loss: squaredError, metrics: { squaredError, codeCounts: countCodes(codes, codebookSize), pictures } };
  };
}
