import type { OperationAttributes } from '@tesserae/core';
import { alongAxis, aroundAxis, axesOf, runsOfAxes, sizesOfRuns } from './axes.js';
import { input, type Kernel, safeRank, throughInt32 } from './kernel.js';

type ArrangementName = 'iota' | 'reshape' | 'concat' | 'reverse';

export const arrangementKernels: { readonly [O in ArrangementName]: Kernel<OperationAttributes[O]> } = {
  iota: ({ tf, type, attributes: { axis } }) => {
    const [before, size, after] = aroundAxis(type.shape, axis);
    return tf.reshape(tf.tile(tf.reshape(tf.range(0, size, 1, 'int32'), [1, size, 1]), [before, 1, after]), [...type.shape]);
  },
  reshape: (call) => call.tf.reshape(input(call), [...call.attributes.shape]),
  concat: throughInt32((call) => {
    const { tf, type, attributes } = call;
    const parts = call.inputs.map((part) => tf.reshape(part, aroundAxis(part.shape, attributes.axis)));
    return tf.reshape(tf.concat(parts, 1), [...type.shape]);
  }),
  reverse: throughInt32((call) => {
    const { tf, type, attributes } = call;
    const x = input(call);
    const turned = (axis: number): boolean => attributes.axes.includes(axis);
    // Reversing neighbours together is reversing them laid out as one.
    const runs = runsOfAxes(axesOf(x.shape), (axis, before) => turned(axis) === turned(before));
    const axes = axesOf(runs.map(() => 0)).filter((place) => runs[place]?.some(turned) === true);
    const value = tf.reshape(x, sizesOfRuns(x.shape, runs));
    const reversed = runs.length <= safeRank ? tf.reverse(value, axes) : axes.reduce((current, place) => alongAxis(tf, current, place, (one) => tf.reverse(one, [1])), value);
    return tf.reshape(reversed, [...type.shape]);
  }),
};
