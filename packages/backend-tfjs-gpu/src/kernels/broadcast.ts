import type { OperationAttributes, Shape } from '@tesserae/core';
import type { Tf, TfTensor } from '../tensorflow.js';
import { alongAxis, axesOf, runsOfAxes, sizesOfRuns } from './axes.js';
import { input, type Kernel, safeRank, throughInt32 } from './kernel.js';

/** Shapes that broadcast to `result`, and `result`, with neighbouring axes that broadcast alike made one and axes of length 1 left out. */
export function mergeBroadcast(shapes: readonly Shape[], result: Shape): { readonly shapes: number[][]; readonly result: number[] } {
  const aligned = shapes.map((shape) => result.map((_, axis) => shape[axis - (result.length - shape.length)] ?? 1));
  const grows = (shape: Shape, axis: number): boolean => shape[axis] !== result[axis];
  const long = axesOf(result).filter((axis) => result[axis] !== 1);
  const runs = runsOfAxes(long, (axis, before) => aligned.every((shape) => grows(shape, axis) === grows(shape, before)));
  return { shapes: aligned.map((shape) => sizesOfRuns(shape, runs)), result: sizesOfRuns(result, runs) };
}

/** `x` repeated to a shape, of any rank. Not for bool. */
export function broadcast(tf: Tf, x: TfTensor, shape: Shape): TfTensor {
  const merged = mergeBroadcast([x.shape], shape);
  let value = tf.reshape(x, merged.shapes[0] ?? []);
  const repeats = merged.result.map((size, axis) => (value.shape[axis] === size ? 1 : size));
  if (repeats.every((times) => times === 1)) return tf.reshape(value, [...shape]);
  if (repeats.length <= safeRank) value = tf.tile(value, repeats);
  else {
    repeats.forEach((times, axis) => {
      if (times > 1) value = alongAxis(tf, value, axis, (one) => tf.tile(one, [1, times, 1]));
    });
  }
  return tf.reshape(value, [...shape]);
}

export const broadcastKernels: { readonly broadcastTo: Kernel<OperationAttributes['broadcastTo']> } = {
  broadcastTo: throughInt32((call) => broadcast(call.tf, input(call), call.type.shape)),
};
