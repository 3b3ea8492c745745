import { add, type LossFunction } from '@tesserae/core';
import { batchUsage } from '../batch-usage.js';
import { mapPixels } from '../likelihood.js';
import { type MapReconstruction, reconstructionOfMaps } from '../map-reconstruction.js';
import { nearestCodes, vectorsOf } from '../quantizer.js';
import { keepCodebook, type QuantizerLossOptions, quantizeStraightThrough } from '../straight-through.js';
import { decodeVqVae, encodeVqVae } from './autoencoder.js';
import { type VqVaeConfiguration, vqVaeQuantizer } from './configuration.js';

/** How a VQ-VAE is trained. */
export interface VqVaeObjective extends QuantizerLossOptions, MapReconstruction {}

/**
 * Reconstruction plus what keeps latents and codebook together (van den Oord et al. 2017, eq. 3). Inputs of the graph: `pixels`
 * [batch, 3, size, size] in [0, 1], and with `revivedAfter` also `revival` [codebook], uniform in (0, 1). Metrics: `reconstruction`,
 * `quantization`, `usedCodes` and `perplexity` of the batch, `revived`.
 */
export function vqVaeTrainingLoss(configuration: VqVaeConfiguration, batch: number, objective: VqVaeObjective = {}): LossFunction {
  return (context) => {
    const { scope, parameters } = context;
    const { imageSize, codebookSize } = configuration;
    const pixels = scope.input('pixels', [batch, 3, imageSize, imageSize]);
    const place = parameters.child('quantizer');
    const quantizer = vqVaeQuantizer(configuration);
    const vectors = encodeVqVae(parameters, pixels, configuration);
    const codes = nearestCodes(place, vectors, quantizer);
    const { quantized, loss: quantization } = quantizeStraightThrough(vectors, vectorsOf(place, codes, quantizer), objective);
    const reconstruction = reconstructionOfMaps(decodeVqVae(parameters, quantized, configuration), mapPixels(pixels), objective);
    const { placed, running, metrics } = keepCodebook(context, place, quantizer, { vectors, codes }, objective);
    return { loss: add(reconstruction, quantization), placed, running, metrics: { reconstruction, quantization, ...batchUsage(codes, codebookSize), ...metrics } };
  };
}
