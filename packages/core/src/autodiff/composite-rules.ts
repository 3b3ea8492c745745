import type { CompositeName } from '../graph/index.js';
import { cast, divide, equal, exp, expandDimensions, less, multiply, oneHot, reduceSum, softmax, subtract, sumPool2d, upsampleNearest2d, where } from '../ops/index.js';
import { type GradientRule, inputOf } from './rule.js';

const last = { axes: [-1], keepDimensions: true } as const;

/**
 * Composites with a shorter gradient than their decomposition's, written with the composite's own value. The others
 * (`decompose`) are differentiated through their decomposition, which merges with the forward one where it is opened.
 */
export const compositeRules: { readonly [C in CompositeName]: GradientRule<C> | 'decompose' } = {
  softmax: ({ gradient, output }) => {
    const weighted = multiply(gradient, output);
    return [subtract(weighted, multiply(output, reduceSum(weighted, last)))];
  },
  logSoftmax: ({ gradient, output }) => [subtract(gradient, multiply(exp(output), reduceSum(gradient, last)))],
  layerNorm: 'decompose',
  rmsNorm: 'decompose',
  groupNorm: 'decompose',
  relu: (context) => [where(less(0, inputOf(context, 0)), context.gradient, 0)],
  gelu: 'decompose',
  silu: 'decompose',
  attention: 'decompose',
  crossEntropy: (context) => {
    const logits = inputOf(context, 0);
    const target = oneHot(inputOf(context, 1), logits.shape[logits.shape.length - 1] ?? 0);
    return [multiply(subtract(softmax(logits), target), expandDimensions(context.gradient, -1)), undefined];
  },
  oneHot: () => [],
  replaceSlice: 'decompose',
  maxPool2d: (context) => {
    // Equal maxima of a window share its gradient evenly. Spread to full size first: engines are slow at broadcasting
    // along axes of two elements.
    const { size } = context.attributes;
    const chosen = cast(equal(inputOf(context, 0), upsampleNearest2d(context.output, size)), 'float32');
    return [multiply(chosen, upsampleNearest2d(divide(context.gradient, sumPool2d(chosen, size)), size))];
  },
  sumPool2d: (context) => [upsampleNearest2d(context.gradient, context.attributes.size)],
  upsampleNearest2d: (context) => [sumPool2d(context.gradient, context.attributes.factor)],
  conv2dInputGradient: 'decompose',
  conv2dFilterGradient: 'decompose',
};
