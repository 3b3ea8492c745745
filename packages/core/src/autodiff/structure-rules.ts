import type { PrimitiveName, Tensor } from '../graph/index.js';
import { apply } from '../graph/index.js';
import {
  broadcastTo,
  cast,
  cumulativeSum,
  divide,
  equal,
  expandDimensions,
  gather,
  matMul,
  multiply,
  pad,
  reduceSum,
  reshape,
  reverse,
  scatterAdd,
  slice,
  sliceAxis,
  transpose,
} from '../ops/index.js';
import { sizeOf } from '../tensor/index.js';
import { type GradientRule, inputOf, noGradient } from './rule.js';

type StructureName = Extract<
  PrimitiveName,
  | 'input'
  | 'state'
  | 'constant'
  | 'literal'
  | 'iota'
  | 'reduceSum'
  | 'reduceMax'
  | 'argMax'
  | 'cumulativeSum'
  | 'topValues'
  | 'reshape'
  | 'transpose'
  | 'broadcastTo'
  | 'slice'
  | 'pad'
  | 'concat'
  | 'reverse'
  | 'matMul'
  | 'conv2d'
  | 'gather'
  | 'scatterAdd'
>;

/** Gives back the reduced axes with size 1, so that the value broadcasts against the input. */
function restoreAxes(value: Tensor, shape: readonly number[], axes: readonly number[]): Tensor {
  return reshape(
    value,
    shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
  );
}

/** Inverse of a strided selection along one axis: puts stride−1 zeros between neighbours. */
function spreadAxis(x: Tensor, axis: number, stride: number): Tensor {
  const size = x.shape[axis] ?? 0;
  if (stride === 1 || size <= 1) return x;
  const before = x.shape.slice(0, axis);
  const after = x.shape.slice(axis + 1);
  const low = [...before, size, 1, ...after].map(() => 0);
  const high = low.map((_, index) => (index === axis + 1 ? stride - 1 : 0));
  const apart = pad(reshape(x, [...before, size, 1, ...after]), low, high);
  return sliceAxis(reshape(apart, [...before, size * stride, ...after]), axis, 0, (size - 1) * stride + 1);
}

export const structureRules: { readonly [O in StructureName]: GradientRule<O> } = {
  input: noGradient,
  state: noGradient,
  constant: noGradient,
  literal: noGradient,
  iota: noGradient,
  reduceSum: (context) => {
    const x = inputOf(context, 0);
    return [broadcastTo(restoreAxes(context.gradient, x.shape, context.attributes.axes), x.shape)];
  },
  reduceMax: (context) => {
    const x = inputOf(context, 0);
    const { axes } = context.attributes;
    // Equal maxima share the gradient evenly.
    const chosen = cast(equal(x, restoreAxes(context.output, x.shape, axes)), 'float32');
    const count = reduceSum(chosen, { axes, keepDimensions: true });
    return [multiply(chosen, divide(restoreAxes(context.gradient, x.shape, axes), count))];
  },
  argMax: noGradient,
  cumulativeSum: ({ gradient, attributes: { axis } }) => [reverse(cumulativeSum(reverse(gradient, [axis]), axis), [axis])],
  topValues: (context) => {
    const x = inputOf(context, 0);
    const chosen = cast(equal(expandDimensions(x, -1), expandDimensions(context.output, x.shape.length - 1)), 'float32');
    const count = reduceSum(chosen, { axes: [-2], keepDimensions: true });
    return [reduceSum(divide(multiply(chosen, expandDimensions(context.gradient, x.shape.length - 1)), count), { axes: [-1] })];
  },
  reshape: (context) => [reshape(context.gradient, inputOf(context, 0).shape)],
  transpose: ({ gradient, attributes: { permutation } }) => {
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [transpose(gradient, inverse)];
  },
  broadcastTo: ({ gradient }) => [gradient],
  slice: (context) => {
    const { starts, strides } = context.attributes;
    const x = inputOf(context, 0);
    const spread = strides.reduce((value, stride, axis) => spreadAxis(value, axis, stride), context.gradient);
    return [
      pad(
        spread,
        starts,
        x.shape.map((size, axis) => size - (starts[axis] ?? 0) - (spread.shape[axis] ?? 0)),
      ),
    ];
  },
  pad: (context) => [slice(context.gradient, context.attributes.low, inputOf(context, 0).shape)],
  concat: ({ inputs, gradient, attributes: { axis } }) => {
    let start = 0;
    return inputs.map((input) => {
      const size = input.shape[axis] ?? 0;
      const part = sliceAxis(gradient, axis, start, size);
      start += size;
      return part;
    });
  },
  reverse: ({ gradient, attributes: { axes } }) => [reverse(gradient, axes)],
  matMul: (context) => {
    const [a, b] = [inputOf(context, 0), inputOf(context, 1)];
    const { transposeA, transposeB } = context.attributes;
    const g = context.gradient;
    const forA = transposeA ? matMul(b, g, { transposeA: transposeB, transposeB: true }) : matMul(g, b, { transposeB: !transposeB });
    if (b.shape.length === 2 && a.shape.length > 2 && !transposeA) {
      // One long product over all leading axes instead of one a batch row and a sum.
      const inner = a.shape[a.shape.length - 1] ?? 0;
      const outer = g.shape[g.shape.length - 1] ?? 0;
      const rows = sizeOf(a.shape.slice(0, -1));
      const flatA = reshape(a, [rows, inner]);
      const flatG = reshape(g, [rows, outer]);
      return [forA, transposeB ? matMul(flatG, flatA, { transposeA: true }) : matMul(flatA, flatG, { transposeA: true })];
    }
    const forB = transposeB ? matMul(g, a, { transposeA: true, transposeB: transposeA }) : matMul(a, g, { transposeA: !transposeA });
    return [forA, forB];
  },
  conv2d: (context) => {
    const [x, filter] = [inputOf(context, 0), inputOf(context, 1)];
    const { attributes, gradient } = context;
    return [
      apply('conv2dInputGradient', [gradient, filter], { ...attributes, inputShape: x.shape }),
      apply('conv2dFilterGradient', [x, gradient], { ...attributes, filterShape: filter.shape }),
    ];
  },
  gather: (context) => {
    const [table, indices] = [inputOf(context, 0), inputOf(context, 1)];
    const { axis } = context.attributes;
    const rank = context.gradient.shape.length;
    const indexAxes = indices.shape.map((_, offset) => axis + offset);
    const otherAxes = [...Array(rank).keys()].filter((other) => !indexAxes.includes(other));
    const rows = scatterAdd(indices, transpose(context.gradient, [...indexAxes, ...otherAxes]), table.shape[axis] ?? 0);
    // rows is [size, before…, after…]: put the table's axis back in its place.
    const back = [...Array(axis).keys()].map((before) => before + 1);
    return [transpose(rows, [...back, 0, ...[...Array(table.shape.length - axis - 1).keys()].map((after) => axis + 1 + after)])];
  },
  scatterAdd: (context) => [undefined, gather(context.gradient, inputOf(context, 0))],
};
