import type { OperationAttributes } from '@tesserae/core';
import type { Tf, TfTensor } from '../tensorflow.js';
import { aroundAxis, axesOf, runsOfAxes, sizesOfRuns } from './axes.js';
import { input, type Kernel, type KernelCall, safeRank } from './kernel.js';

type ReductionName = 'reduceSum' | 'reduceMax' | 'argMax' | 'cumulativeSum' | 'topValues' | 'softmax';

/** Folds the named axes; `fold` removes axes of a tensor of at most four. */
const reduction =
  (fold: (tf: Tf, x: TfTensor, axes: number[]) => TfTensor): Kernel<OperationAttributes['reduceSum']> =>
  (call) => {
    const { tf, attributes, type } = call;
    const x = input(call);
    const gone = (axis: number): boolean => attributes.axes.includes(axis);
    const runs = runsOfAxes(axesOf(x.shape), (axis, before) => gone(axis) === gone(before));
    const sizes = sizesOfRuns(x.shape, runs);
    const folded = axesOf(sizes).filter((axis) => runs[axis]?.some(gone) === true);
    let value = x;
    if (runs.length <= safeRank) value = folded.length === 0 ? x : fold(tf, tf.reshape(x, sizes), folded);
    else {
      // From the last to the first: places of those before stay what they are.
      for (const axis of folded.reverse()) {
        value = fold(tf, tf.reshape(value, aroundAxis(sizes, axis)), [1]);
        sizes.splice(axis, 1);
      }
    }
    return tf.reshape(value, [...type.shape]);
  };

/** `x` as rows of its last axis. */
function rowsOf(tf: Tf, x: TfTensor): TfTensor {
  const width = x.shape[x.shape.length - 1] ?? 1;
  return tf.reshape(x, [x.size / width, width]);
}

/** A function of axis 1 of three, whose result is reshaped to the node's. */
const alongOne =
  (compute: (tf: Tf, x: TfTensor) => TfTensor) =>
  (call: KernelCall<{ readonly axis: number }>): TfTensor => {
    const x = input(call);
    return call.tf.reshape(compute(call.tf, call.tf.reshape(x, aroundAxis(x.shape, call.attributes.axis))), [...call.type.shape]);
  };

export const reductionKernels: { readonly [O in ReductionName]: Kernel<OperationAttributes[O]> } = {
  reduceSum: reduction((tf, x, axes) => tf.sum(x, axes)),
  reduceMax: reduction((tf, x, axes) => tf.max(x, axes)),
  argMax: alongOne((tf, x) => tf.argMax(x, 1)),
  cumulativeSum: alongOne((tf, x) => tf.cumsum(x, 1)),
  topValues: (call) => call.tf.reshape(call.tf.topk(rowsOf(call.tf, input(call)), call.attributes.count, true).values, [...call.type.shape]),
  softmax: (call) => call.tf.reshape(call.tf.softmax(rowsOf(call.tf, input(call))), [...call.type.shape]),
};
