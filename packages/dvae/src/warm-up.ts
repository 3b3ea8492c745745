import { conv2dLayer, divide, type LossFunction, type ParameterScope, reduceMean, relu, sigmoid, sliceAxis, square, subtract, type Tensor } from '@tesserae/core';
import type { DvaeConfiguration } from './configuration.js';
import { decodeEmbedded } from './decoder.js';
import { encodeFeatures } from './encoder.js';
import { mapPixels, pixelMargin } from './likelihood.js';

/** The bottleneck without a codebook: pixels `[batch, 3, height, width]` mapped to (0.1, 0.9) → `[batch, decoderInput, rows, columns]`. */
export function embedContinuously(parameters: ParameterScope, mapped: Tensor, configuration: DvaeConfiguration): Tensor {
  const features = relu(encodeFeatures(parameters.child('encoder'), mapped, configuration));
  return conv2dLayer(parameters.child('bottleneck'), features, { channels: configuration.decoderInput, filterSize: 1, bias: false });
}

/**
 * The same encoder and decoder with a linear bottleneck in place of the codes: a plain autoencoder. A few hundred updates of
 * it teach both sides where edges lie, which takes thousands through a random codebook; its bottleneck then becomes the
 * first codebook (`initialiseDvae`). Łańcucki et al. 2020 found the same for VQ-VAEs: codes placed among features of a
 * network that has learned something are used and stay in use. The loss is the squared error: the likelihood's gradient
 * has one size however small the error, which made this beginning twice as long.
 * Inputs: `pixels` [batch, 3, size, size] in [0, 1]. Metrics: `squaredError`.
 */
export function dvaeWarmUpLoss(configuration: DvaeConfiguration, batch: number): LossFunction {
  return ({ scope, parameters }) => {
    const pixels = scope.input('pixels', [batch, 3, configuration.imageSize, configuration.imageSize]);
    const mapped = mapPixels(pixels);
    const maps = decodeEmbedded(parameters.child('decoder'), embedContinuously(parameters, mapped, configuration), configuration);
    // Of the pixels before they are clamped to [0, 1]: a clamped one would have no gradient.
    const squaredError = reduceMean(square(divide(subtract(sigmoid(sliceAxis(maps, 1, 0, 3)), mapped), 1 - 2 * pixelMargin)));
    return { loss: squaredError, metrics: { squaredError } };
  };
}
