import {
  broadcastTo,
  cast,
  concat,
  crossEntropy,
  divide,
  float32Array,
  type LossFunction,
  less,
  multiply,
  negate,
  type ParameterScope,
  reduceSum,
  sliceAxis,
  type Tensor,
} from '@tesserae/core';
import { captionLogits, sentenceEnd } from './captioner.js';
import type { CaptionerConfiguration } from './configuration.js';

/** 1 for every id of a sentence and the end after it, 0 for the filling: int32 `[batch, textLength]` → float32. */
function countedIds(parameters: ParameterScope, configuration: CaptionerConfiguration, text: Tensor): Tensor {
  const [batch = 0, length = 1] = text.shape;
  const first = broadcastTo(parameters.trace.literal(float32Array([1, 1], [1])), [batch, 1]);
  if (length === 1) return first;
  return concat([first, cast(less(sliceAxis(text, 1, 0, length - 1), sentenceEnd(configuration)), 'float32')], 1);
}

/** log p(id | picture, ids before it) in nats: `[batch, textLength]`, 0 where a sentence and its end are over. */
export function captionLogProbabilities(parameters: ParameterScope, configuration: CaptionerConfiguration, pixels: Tensor, text: Tensor): Tensor {
  const surprise = crossEntropy(captionLogits(parameters, configuration, pixels, text), text);
  return multiply(negate(surprise), countedIds(parameters, configuration, text));
}

/**
 * The captioner's training loss for `createTrainingStep`: the mean over all ids of −log p(id | picture, ids before it) in nats.
 * Inputs: `pixels` [batch, 3, imageSize, imageSize] in [0, 1]; `text` int32 [batch, textLength], filled with `sentenceEnd`.
 */
export function captionerTrainingLoss(configuration: CaptionerConfiguration, options: { readonly batch: number }): LossFunction {
  const { batch } = options;
  const { imageSize, textLength } = configuration;
  return ({ scope, parameters }) => {
    const pixels = scope.input('pixels', [batch, 3, imageSize, imageSize]);
    const text = scope.input('text', [batch, textLength], 'int32');
    const total = negate(reduceSum(captionLogProbabilities(parameters, configuration, pixels, text)));
    return { loss: divide(total, reduceSum(countedIds(parameters, configuration, text))) };
  };
}
