import type { LossFunction } from '@tesserae/core';
import { type DvaeConfiguration, downsamplingOf } from './configuration.js';
import { decodeCodes } from './decoder.js';
import { mapPixels } from './likelihood.js';
import { squaredErrorOfMaps } from './map-reconstruction.js';

/**
 * The decoder alone, on the hard codes of a finished encoder: what it could not learn while the codes were noisy and moving.
 * The codes stay what they are, so a prior over them is not touched. Squared error of the pixels: ln b gets no gradient, so the
 * likelihood of a refined decoder means nothing any more.
 * Inputs: `codes` int32 [batch, rows, columns], `pixels` [batch, 3, size, size] in [0, 1]. Metrics: `squaredError`.
 * Parameters: those below `decoder`.
 */
export function decoderRefinementLoss(configuration: DvaeConfiguration, batch: number): LossFunction {
  const { imageSize } = configuration;
  const grid = imageSize / downsamplingOf(configuration);
  return ({ scope, parameters }) => {
    const pixels = scope.input('pixels', [batch, 3, imageSize, imageSize]);
    const codes = scope.input('codes', [batch, grid, grid], 'int32');
    const maps = decodeCodes(parameters.child('decoder'), codes, configuration);
    const squaredError = squaredErrorOfMaps(maps, mapPixels(pixels));
    return { loss: squaredError, metrics: { squaredError } };
  };
}
