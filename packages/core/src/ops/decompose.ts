import { apply, type CompositeAttributes, type CompositeName, type Conv2dAttributes, type OperationAttributes, type Tensor } from '../graph/index.js';
import { maskScores } from './attention.js';
import { add, cast, divide, equal, erf, exp, less, lessOrEqual, log, logicalAnd, maximum, minimum, multiply, sigmoid, sqrt, square, subtract, tanh, where } from './elementwise.js';
import { matMul } from './linear-algebra.js';
import { reduceMax, reduceMean, reduceSum } from './reduction.js';
import { broadcastTo, concat, expandDimensions, pad, reshape, reverse, slice, transpose } from './shape.js';

type Decomposition<C extends CompositeName> = (inputs: readonly Tensor[], attributes: CompositeAttributes[C]) => Tensor;

function input(inputs: readonly Tensor[], index: number): Tensor {
  const found = inputs[index];
  if (found === undefined) throw new RangeError(`composite lacks input ${index}`);
  return found;
}

const last = { axes: [-1], keepDimensions: true } as const;

function shifted(x: Tensor): Tensor {
  return subtract(x, reduceMax(x, last));
}

/** Zeros between neighbours: […, h, w] → […, (h−1)·s+1, (w−1)·s+1]. Only reshape, pad and slice, which every engine has. */
function dilate(x: Tensor, [vertical, horizontal]: readonly [number, number]): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  if (vertical === 1 && horizontal === 1) return x;
  const apart = pad(reshape(x, [batch, channels, height, 1, width, 1]), [0, 0, 0, 0, 0, 0], [0, 0, 0, vertical - 1, 0, horizontal - 1]);
  const spread = reshape(apart, [batch, channels, height * vertical, width * horizontal]);
  return slice(spread, [0, 0, 0, 0], [batch, channels, Math.max(0, (height - 1) * vertical + 1), Math.max(0, (width - 1) * horizontal + 1)]);
}

/** x with zeros around it, cut where the amount is negative. */
function padOrCut(x: Tensor, [[top, bottom], [left, right]]: Conv2dAttributes['padding']): Tensor {
  const positive = (amount: number): number => Math.max(0, amount);
  const padded = pad(x, [0, 0, positive(top), positive(left)], [0, 0, positive(bottom), positive(right)]);
  const [batch = 0, channels = 0, height = 0, width = 0] = padded.shape;
  if (Math.min(top, bottom, left, right) >= 0) return padded;
  return slice(padded, [0, 0, positive(-top), positive(-left)], [batch, channels, height - positive(-top) - positive(-bottom), width - positive(-left) - positive(-right)]);
}

/** [batch, channels, height, width] → [batch, channels, height/size, size, width/size, size]. */
function windows(x: Tensor, size: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  return reshape(x, [batch, channels, height / size, size, width / size, size]);
}

function conv2dInputGradient(gradient: Tensor, filter: Tensor, attributes: CompositeAttributes['conv2dInputGradient']): Tensor {
  const { strides, padding, dilations, inputShape } = attributes;
  const spread = dilate(gradient, strides);
  const flipped = transpose(reverse(filter, [2, 3]), [1, 0, 2, 3]);
  // A full correlation with the flipped filter; what the forward padding added is cut, what the stride left over is zero.
  const one = (axis: 0 | 1): readonly [number, number] => {
    const span = ((filter.shape[2 + axis] ?? 1) - 1) * dilations[axis];
    const low = span - padding[axis][0];
    return [low, (inputShape[2 + axis] ?? 0) + span - (spread.shape[2 + axis] ?? 0) - low];
  };
  return apply('conv2d', [padOrCut(spread, [one(0), one(1)]), flipped], {
    strides: [1, 1],
    padding: [
      [0, 0],
      [0, 0],
    ],
    dilations,
  });
}

/**
 * One matrix product over all positions at once: the filter's taps select shifted views of the padded input, laid side
 * by side (im2col). As a convolution with swapped batch and channels the products would be long and one or a few
 * columns wide, which no engine does well.
 */
function conv2dFilterGradient(x: Tensor, gradient: Tensor, attributes: CompositeAttributes['conv2dFilterGradient']): Tensor {
  const { strides, padding, dilations, filterShape } = attributes;
  const [out = 0, channels = 0, filterHeight = 0, filterWidth = 0] = filterShape;
  const [batch = 0, , height = 0, width = 0] = gradient.shape;
  const [[top, bottom], [left, right]] = padding;
  const padded = transpose(pad(x, [0, 0, top, left], [0, 0, bottom, right]), [1, 0, 2, 3]);
  const columns: Tensor[] = [];
  for (let row = 0; row < filterHeight; row += 1) {
    for (let column = 0; column < filterWidth; column += 1) {
      const view = slice(padded, [0, 0, row * dilations[0], column * dilations[1]], [channels, batch, height, width], [1, 1, strides[0], strides[1]]);
      columns.push(reshape(view, [1, channels, batch * height * width]));
    }
  }
  const taps = reshape(concat(columns, 0), [filterHeight * filterWidth * channels, batch * height * width]);
  const flat = reshape(transpose(gradient, [1, 0, 2, 3]), [out, batch * height * width]);
  return transpose(reshape(matMul(flat, taps, { transposeB: true }), [out, filterHeight, filterWidth, channels]), [0, 3, 1, 2]);
}

/** Every composite in primitives (or simpler composites). Exhaustive at compile time. */
export const decompositions: { readonly [C in CompositeName]: Decomposition<C> } = {
  softmax: (inputs) => {
    const weights = exp(shifted(input(inputs, 0)));
    return divide(weights, reduceSum(weights, last));
  },
  normalisedExp: (inputs) => apply('softmax', [input(inputs, 0)], {}),
  logSoftmax: (inputs) => {
    const scores = shifted(input(inputs, 0));
    return subtract(scores, log(reduceSum(exp(scores), last)));
  },
  layerNorm: (inputs, { epsilon }) => {
    const x = input(inputs, 0);
    const centred = subtract(x, reduceMean(x, last));
    const deviation = sqrt(add(reduceMean(square(centred), last), epsilon));
    return add(multiply(divide(centred, deviation), input(inputs, 1)), input(inputs, 2));
  },
  rmsNorm: (inputs, { epsilon }) => {
    const x = input(inputs, 0);
    return multiply(divide(x, sqrt(add(reduceMean(square(x), last), epsilon))), input(inputs, 1));
  },
  groupNorm: (inputs, { groups, epsilon }) => {
    const x = input(inputs, 0);
    const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
    const grouped = reshape(x, [batch, groups, (channels / groups) * height * width]);
    const centred = subtract(grouped, reduceMean(grouped, last));
    const deviation = sqrt(add(reduceMean(square(centred), last), epsilon));
    const normal = reshape(divide(centred, deviation), x.shape);
    return add(multiply(normal, reshape(input(inputs, 1), [channels, 1, 1])), reshape(input(inputs, 2), [channels, 1, 1]));
  },
  relu: (inputs) => maximum(input(inputs, 0), 0),
  gelu: (inputs, { approximation }) => {
    const x = input(inputs, 0);
    switch (approximation) {
      case 'exact':
        return multiply(multiply(x, 0.5), add(erf(multiply(x, Math.SQRT1_2)), 1));
      case 'tanh':
        return multiply(multiply(x, 0.5), add(tanh(multiply(add(x, multiply(multiply(square(x), x), 0.044715)), Math.sqrt(2 / Math.PI))), 1));
      case 'quick':
        return multiply(x, sigmoid(multiply(x, 1.702)));
      default:
        return approximation satisfies never;
    }
  },
  silu: (inputs) => multiply(input(inputs, 0), sigmoid(input(inputs, 0))),
  attention: (inputs, { scale }) => {
    const scores = matMul(multiply(input(inputs, 0), scale), input(inputs, 1), { transposeB: true });
    return matMul(apply('softmax', [maskScores(scores, inputs[3])], {}), input(inputs, 2));
  },
  crossEntropy: (inputs) => {
    const logits = input(inputs, 0);
    const chosen = apply('oneHot', [input(inputs, 1)], { depth: logits.shape[logits.shape.length - 1] ?? 0 });
    return multiply(reduceSum(multiply(apply('logSoftmax', [logits], {}), chosen), { axes: [-1] }), -1);
  },
  crossEntropyGradient: (inputs) => {
    const logits = input(inputs, 0);
    const chosen = apply('oneHot', [input(inputs, 1)], { depth: logits.shape[logits.shape.length - 1] ?? 0 });
    return multiply(subtract(apply('softmax', [logits], {}), chosen), expandDimensions(input(inputs, 2), -1));
  },
  oneHot: (inputs, { depth }) => {
    const indices = input(inputs, 0);
    const classes = depth === 0 ? undefined : indices.builder.add('iota', [], { axis: 0, shape: [depth] });
    const column = expandDimensions(indices, -1);
    return classes === undefined ? cast(broadcastTo(column, [...indices.shape, 0]), 'float32') : cast(equal(column, classes), 'float32');
  },
  replaceSlice: (inputs, { axis }) => {
    const [x, part, start] = [input(inputs, 0), input(inputs, 1), input(inputs, 2)];
    const [length = 0, partLength = 0] = [x.shape[axis], part.shape[axis]];
    const along = (value: Tensor): Tensor => reshape(value, [length, ...x.shape.slice(axis + 1).map(() => 1)]);
    // How far each place lies behind the start: within the part's length it is the part's.
    const behind = subtract(x.builder.add('iota', [], { axis: 0, shape: [length] }), start);
    if (partLength === 1) return where(along(equal(behind, 0)), part, x);
    const inside = logicalAnd(lessOrEqual(0, behind), less(behind, partLength));
    const spread = apply('gather', [part, minimum(maximum(behind, 0), partLength - 1)], { axis });
    return where(along(inside), spread, x);
  },
  maxPool2d: (inputs, { size }) => reduceMax(windows(input(inputs, 0), size), { axes: [3, 5] }),
  sumPool2d: (inputs, { size }) => reduceSum(windows(input(inputs, 0), size), { axes: [3, 5] }),
  upsampleNearest2d: (inputs, { factor }) => {
    const x = input(inputs, 0);
    const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
    const spread = broadcastTo(reshape(x, [batch, channels, height, 1, width, 1]), [batch, channels, height, factor, width, factor]);
    return reshape(spread, [batch, channels, height * factor, width * factor]);
  },
  conv2dInputGradient: (inputs, attributes) => conv2dInputGradient(input(inputs, 0), input(inputs, 1), attributes),
  conv2dFilterGradient: (inputs, attributes) => conv2dFilterGradient(input(inputs, 0), input(inputs, 1), attributes),
};

/** One level of decomposition: the composite's value from simpler operations. */
export function decompose<C extends CompositeName>(composite: C, inputs: readonly Tensor[], attributes: OperationAttributes[C]): Tensor {
  const rule: Decomposition<C> = decompositions[composite];
  return rule(inputs, attributes);
}
