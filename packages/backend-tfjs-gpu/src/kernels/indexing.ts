import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { type OperationAttributes, sizeOf } from '@tesserae/core';
import { aroundAxis } from './axes.js';
import { input, type Kernel, throughInt32 } from './kernel.js';

type IndexingName = 'gather' | 'scatterAdd';

export const indexingKernels: { readonly [O in IndexingName]: Kernel<OperationAttributes[O]> } = {
  gather: throughInt32((call) => {
    const { tf, type, attributes } = call;
    const table = input(call);
    const indices = tf.reshape(input(call, 1), [-1]) as Tensor1D;
    return tf.reshape(tf.gather(tf.reshape(table, aroundAxis(table.shape, attributes.axis)), indices, 1), [...type.shape]);
  }),
  scatterAdd: (call) => {
    const { tf, type, attributes } = call;
    const rows = input(call).size;
    const width = sizeOf(type.shape.slice(1));
    const indices = tf.reshape(input(call), [rows, 1]) as Tensor2D;
    const updates = tf.reshape(input(call, 1), [rows, width]);
    return tf.reshape(tf.scatterND(indices, updates, [attributes.size, width]), [...type.shape]);
  },
};
