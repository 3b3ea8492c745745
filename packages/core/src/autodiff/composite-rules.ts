import { apply, type CompositeName } from '../graph/index.js';
import {
  add,
  cast,
  divide,
  equal,
  erf,
  exp,
  less,
  multiply,
  reduceMean,
  reduceSum,
  sigmoid,
  sqrt,
  square,
  subtract,
  sumPool2d,
  tanh,
  upsampleNearest2d,
  where,
} from '../ops/index.js';
import { type GradientRule, inputOf } from './rule.js';

const last = { axes: [-1], keepDimensions: true } as const;

/**
 * gradient·gelu'(x). Written with as few passes over x as there can be: activations are a training step's widest values, and each pass over them
 * is a pass over main memory.
 */
const gelu: GradientRule<'gelu'> = (context) => {
  const x = inputOf(context, 0);
  const { gradient, attributes } = context;
  switch (attributes.approximation) {
    case 'exact': {
      // Φ(x) + x·φ(x) = (√π/2 + √π/2·erf t + t/exp t²)/√π with t = x/√2. The factor stands at the gradient, where engines put it into the product that made it.
      const t = multiply(x, Math.SQRT1_2);
      const half = Math.sqrt(Math.PI) / 2;
      const slope = add(add(multiply(erf(t), half), divide(t, exp(square(t)))), half);
      return [multiply(multiply(gradient, 1 / Math.sqrt(Math.PI)), slope)];
    }
    case 'tanh': {
      // ½(1 + t)·(1 + x·(1 − t)·u') with t = tanh u, u = √(2/π)·(x + 0.044715·x³).
      const [scale, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
      const squared = square(x);
      const t = tanh(multiply(x, add(multiply(squared, scale * cubic), scale)));
      const inner = multiply(x, add(multiply(squared, 3 * scale * cubic), scale));
      return [multiply(multiply(gradient, 0.5), multiply(add(t, 1), add(multiply(inner, subtract(1, t)), 1)))];
    }
    case 'quick': {
      // σ + 1.702·x·σ·(1 − σ), σ of 1.702·x.
      const steep = multiply(x, 1.702);
      const gate = sigmoid(steep);
      return [multiply(gradient, multiply(gate, add(multiply(steep, subtract(1, gate)), 1)))];
    }
    default:
      return attributes.approximation satisfies never;
  }
};

/**
 * With x̂ the normalised x, r what divided it and ḡ = gradient·gain: dx = (ḡ − mean ḡ − x̂·mean(ḡ·x̂))/r (Ba et al. 2016); the gain's is the sum of
 * gradient·x̂. Its decomposition's gradient would take twice as many passes.
 */
const layerNorm: GradientRule<'layerNorm'> = (context) => {
  const { gradient, attributes } = context;
  const [x, gain] = [inputOf(context, 0), inputOf(context, 1)];
  const centred = subtract(x, reduceMean(x, last));
  const deviation = sqrt(add(reduceMean(square(centred), last), attributes.epsilon));
  const normal = divide(centred, deviation);
  const along = multiply(gradient, normal);
  const scaled = multiply(gradient, gain);
  const level = subtract(scaled, reduceMean(scaled, last));
  return [divide(subtract(level, multiply(normal, reduceMean(multiply(along, gain), last))), deviation), along, gradient];
};

/**
 * Composites with a shorter gradient than their decomposition's, written with the composite's own value. The others
 * (`decompose`) are differentiated through their decomposition, which merges with the forward one where it is opened.
 */
export const compositeRules: { readonly [C in CompositeName]: GradientRule<C> | 'decompose' } = {
  softmax: ({ gradient, output }) => {
    const weighted = multiply(gradient, output);
    return [subtract(weighted, multiply(output, reduceSum(weighted, last)))];
  },
  normalisedExp: ({ gradient, output }) => [multiply(gradient, output)],
  logSoftmax: ({ gradient, output }) => [subtract(gradient, multiply(exp(output), reduceSum(gradient, last)))],
  layerNorm,
  rmsNorm: 'decompose',
  groupNorm: 'decompose',
  relu: (context) => [where(less(0, inputOf(context, 0)), context.gradient, 0)],
  gelu,
  silu: 'decompose',
  attention: 'decompose',
  crossEntropy: (context) => [apply('crossEntropyGradient', [inputOf(context, 0), inputOf(context, 1), context.gradient], {}), undefined],
  crossEntropyGradient: 'decompose',
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
