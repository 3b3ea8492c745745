import { conv2dLayer, type LossFunction, type ParameterScope, reduceMean, relu, square, subtract, type Tensor } from '@tesserae/core';
import type { DvaeShape } from './configuration.js';
import { decodeEmbedded } from './decoder.js';
import { encodeFeatures } from './encoder.js';
import { mapPixels, pixelsFromMaps } from './likelihood.js';
import { type MapReconstruction, reconstructionOfMaps, squaredErrorOfMaps } from './map-reconstruction.js';

/** The bottleneck without a codebook: pixels `[batch, 3, height, width]` mapped to (0.1, 0.9) → `[batch, decoderInput, rows, columns]`. */
export function embedContinuously(parameters: ParameterScope, mapped: Tensor, configuration: DvaeShape): Tensor {
  const features = relu(encodeFeatures(parameters.child('encoder'), mapped, configuration));
  return conv2dLayer(parameters.child('bottleneck'), features, { channels: configuration.decoderInput, filterSize: 1, bias: false });
}

/**
 * The same encoder and decoder with a linear bottleneck in place of the codes: a plain autoencoder. A few hundred updates of
 * it teach both sides where edges lie, which takes thousands through a random codebook; its bottleneck then becomes the
 * first codebook (`initialiseDvae`). Łańcucki et al. 2020 found the same for VQ-VAEs: codes placed among features of a
 * network that has learned something are used and stay in use. The loss is the squared error: the likelihood's gradient
 * has one size however small the error, which made this beginning twice as long; `objective` can ask for it all the same.
 * Inputs: `pixels` [batch, 3, size, size] in [0, 1]. Metrics: `squaredError`.
 */
export function dvaeWarmUpLoss(configuration: DvaeShape, batch: number, objective: MapReconstruction = {}): LossFunction {
  return ({ scope, parameters }) => {
    const pixels = scope.input('pixels', [batch, 3, configuration.imageSize, configuration.imageSize]);
    const mapped = mapPixels(pixels);
    const maps = decodeEmbedded(parameters.child('decoder'), embedContinuously(parameters, mapped, configuration), configuration);
    return { loss: reconstructionOfMaps(maps, mapped, objective), metrics: { squaredError: squaredErrorOfMaps(maps, mapped) } };
  };
}

/**
 * What the plain autoencoder makes of unseen pictures. Input as above. Metrics: `squaredError` of the clamped pixels, and the reconstructed
 * `pictures` [batch, 3, size, size].
 */
export function dvaeWarmUpValidationLoss(configuration: DvaeShape, batch: number, objective: MapReconstruction = {}): LossFunction {
  return ({ scope, parameters }) => {
    const pixels = scope.input('pixels', [batch, 3, configuration.imageSize, configuration.imageSize]);
    const mapped = mapPixels(pixels);
    const maps = decodeEmbedded(parameters.child('decoder'), embedContinuously(parameters, mapped, configuration), configuration);
    const pictures = pixelsFromMaps(maps);
    return { loss: reconstructionOfMaps(maps, mapped, objective), metrics: { squaredError: reduceMean(square(subtract(pictures, pixels))), pictures } };
  };
}
