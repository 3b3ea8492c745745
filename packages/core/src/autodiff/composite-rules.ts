import type { CompositeName, Tensor } from '../graph/index.js';
import { cast, divide, equal, exp, expandDimensions, less, multiply, oneHot, reduceSum, reshape, softmax, subtract, where } from '../ops/index.js';
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
  maxPool2d: (context) => {
    // Equal maxima of a window share its gradient evenly.
    const x = inputOf(context, 0);
    const { size } = context.attributes;
    const [batch = 0, channels = 0, height = 0, width = 0] = context.output.shape;
    const perWindow = (value: Tensor): Tensor => reshape(value, [batch, channels, height, 1, width, 1]);
    const chosen = cast(equal(reshape(x, [batch, channels, height, size, width, size]), perWindow(context.output)), 'float32');
    const count = reduceSum(chosen, { axes: [3, 5], keepDimensions: true });
    return [reshape(multiply(chosen, divide(perWindow(context.gradient), count)), x.shape)];
  },
  upsampleNearest2d: 'decompose',
  conv2dInputGradient: 'decompose',
  conv2dFilterGradient: 'decompose',
};
