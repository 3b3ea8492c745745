import { add, crossEntropy, type LossFunction, multiply, reduceMean, transpose } from '@tesserae/core';
import { clipLogits, encodePictures, encodeTexts } from './clip.js';
import type { ClipConfiguration } from './configuration.js';

/**
 * CLIP's training loss for `createTrainingStep` (its Figure 3): each picture is to find its own text among those of the batch, and each
 * text its picture; the mean of both cross-entropies in nats. Of a vision transformer: a ResNet's norms are fixed here.
 * Inputs: `pixels` [batch, 3, imageSize, imageSize] in [0, 1]; `ids` int32 [batch, length]; with `masked`, for towers that are read as a
 * mean, `mask` [batch, length], ones at the ids that count. Metrics: `pictureLoss`, `textLoss`.
 */
export function contrastiveLoss(configuration: ClipConfiguration, options: { readonly batch: number; readonly masked?: boolean }): LossFunction {
  const { batch, masked = false } = options;
  return ({ scope, parameters }) => {
    const pixels = scope.input('pixels', [batch, 3, configuration.imageSize, configuration.imageSize]);
    const ids = scope.input('ids', [batch, configuration.text.length], 'int32');
    const mask = masked ? scope.input('mask', [batch, configuration.text.length]) : undefined;
    const logits = clipLogits(parameters, encodePictures(parameters, configuration, pixels), encodeTexts(parameters, configuration, ids, mask));
    const own = scope.iota([batch]);
    const pictureLoss = reduceMean(crossEntropy(logits, own));
    const textLoss = reduceMean(crossEntropy(transpose(logits, [1, 0]), own));
    return { loss: multiply(add(pictureLoss, textLoss), 0.5), metrics: { pictureLoss, textLoss } };
  };
}
