import { type OperationAttributes, sizeOf } from '@tesserae/core';
import type { Tf, TfTensor } from '../tensorflow.js';
import { runsOfAxes, sizesOfRuns } from './axes.js';
import { input, type Kernel, safeRank, throughInt32 } from './kernel.js';

/** Moves one axis at a time to its place: each move exchanges two blocks, which is a matter of four axes at most. */
function transposeInMoves(tf: Tf, x: TfTensor, sizes: readonly number[], permutation: readonly number[]): TfTensor {
  const order = sizes.map((_, axis) => axis);
  const product = (from: number, to: number): number => sizeOf(order.slice(from, to).map((axis) => sizes[axis] ?? 1));
  let value = x;
  permutation.forEach((axis, place) => {
    const found = order.indexOf(axis);
    if (found === place) return;
    const blocks = [product(0, place), product(place, found), product(found, found + 1), product(found + 1, order.length)];
    value = tf.transpose(tf.reshape(value, blocks), [0, 2, 1, 3]);
    order.splice(found, 1);
    order.splice(place, 0, axis);
  });
  return value;
}

export const transposeKernels: { readonly transpose: Kernel<OperationAttributes['transpose']> } = {
  transpose: throughInt32((call) => {
    const { tf, attributes, type } = call;
    const x = input(call);
    // Axes of length 1 do not matter, and axes that stay neighbours move as one.
    const long = attributes.permutation.filter((axis) => x.shape[axis] !== 1);
    const place = new Map([...long].sort((a, b) => a - b).map((axis, index) => [axis, index] as const));
    const runs = runsOfAxes(long, (axis, before) => place.get(axis) === (place.get(before) ?? 0) + 1);
    const inOrder = [...runs].sort(([a = 0], [b = 0]) => a - b);
    const sizes = sizesOfRuns(x.shape, inOrder);
    const permutation = runs.map((run) => inOrder.indexOf(run));
    const value = permutation.length <= safeRank ? tf.transpose(tf.reshape(x, sizes), permutation) : transposeInMoves(tf, x, sizes, permutation);
    return tf.reshape(value, [...type.shape]);
  }),
};
