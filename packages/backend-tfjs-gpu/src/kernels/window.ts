import type { OperationAttributes } from '@tesserae/core';
import { alongAxis, axesOf, runsOfAxes, sizesOfRuns } from './axes.js';
import { input, type Kernel, safeRank, throughInt32 } from './kernel.js';

/**
 * Whole axes are left out of the matter; with many that are cut, or strides, each is cut by itself. Strided axes are
 * gathered: TensorFlow.js' strided slice takes every array for floats on WASM.
 */
const slice: Kernel<OperationAttributes['slice']> = (call) => {
  const { tf, attributes, type } = call;
  const { starts, sizes, strides } = attributes;
  const x = input(call);
  const strided = (axis: number): boolean => (strides[axis] ?? 1) !== 1 && (sizes[axis] ?? 1) > 1;
  const whole = (axis: number): boolean => sizes[axis] === x.shape[axis];
  const runs = runsOfAxes(axesOf(x.shape), (axis, before) => whole(axis) && whole(before));
  const [from, to] = [x.shape, sizes].map((shape) => sizesOfRuns(shape, runs));
  if (from === undefined || to === undefined) return x;
  const begin = runs.map(([axis = 0]) => (whole(axis) ? 0 : (starts[axis] ?? 0)));
  let value = tf.reshape(x, from);
  if (runs.length <= safeRank && !axesOf(x.shape).some(strided)) value = tf.slice(value, begin, to);
  else {
    runs.forEach(([axis = 0], place) => {
      if (whole(axis)) return;
      const [start, size] = [begin[place] ?? 0, to[place] ?? 0];
      value = alongAxis(tf, value, place, (one) => {
        if (!strided(axis)) return tf.slice(one, [0, start, 0], [-1, size, -1]);
        const stride = strides[axis] ?? 1;
        return tf.gather(one, tf.range(start, start + (size - 1) * stride + 1, stride, 'int32'), 1);
      });
    });
  }
  return tf.reshape(value, [...type.shape]);
};

const pad: Kernel<OperationAttributes['pad']> = (call) => {
  const { tf, attributes, type } = call;
  const { low, high, value: filling } = attributes;
  const x = input(call);
  const padded = (axis: number): boolean => (low[axis] ?? 0) + (high[axis] ?? 0) > 0;
  const runs = runsOfAxes(axesOf(x.shape), (axis, before) => !padded(axis) && !padded(before));
  const amounts = runs.map(([axis = 0]): [number, number] => (padded(axis) ? [low[axis] ?? 0, high[axis] ?? 0] : [0, 0]));
  let value = tf.reshape(x, sizesOfRuns(x.shape, runs));
  if (amounts.length <= safeRank) value = tf.pad(value, amounts, filling);
  else {
    amounts.forEach((amount, place) => {
      if (amount[0] + amount[1] > 0) value = alongAxis(tf, value, place, (one) => tf.pad(one, [[0, 0], amount, [0, 0]], filling));
    });
  }
  return tf.reshape(value, [...type.shape]);
};

export const windowKernels = { slice: throughInt32(slice), pad: throughInt32(pad) };
