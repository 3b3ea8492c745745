import { type OperationAttributes, sizeOf } from '@tesserae/core';
import type { Tf, TfTensor } from '../tensorflow.js';
import { broadcast } from './broadcast.js';
import { input, type Kernel } from './kernel.js';

/** The last two axes, with the ones before them as one: `[batch, rows, columns]`. */
function stackOf(tf: Tf, x: TfTensor): TfTensor {
  const [rows = 1, columns = 1] = x.shape.slice(-2);
  return tf.reshape(x, [x.size / (rows * columns), rows, columns]);
}

/** Rows (or columns) that the other matrix must have for its transposition to be cheap beside the product. */
const worthTransposing = 16;

/**
 * The product of two stacks. WASM multiplies two plain matrices with XNNPACK, but transposed ones with simple loops that
 * take seven to twenty times as long: there they are transposed first.
 */
function multiplyStacks(tf: Tf, a: TfTensor, b: TfTensor, transposeA: boolean, transposeB: boolean): TfTensor {
  if (tf.getBackend() !== 'wasm' || a.shape[0] !== 1 || b.shape[0] !== 1) return tf.matMul(a, b, transposeA, transposeB);
  const rows = a.shape[transposeA ? 2 : 1] ?? 1;
  const columns = b.shape[transposeB ? 1 : 2] ?? 1;
  if (Math.min(transposeA ? columns : rows, rows) < worthTransposing) return tf.matMul(a, b, transposeA, transposeB);
  const plain = (x: TfTensor, isTransposed: boolean): TfTensor => (isTransposed ? tf.transpose(x, [0, 2, 1]) : x);
  return tf.matMul(plain(a, transposeA), plain(b, transposeB));
}

export const matrixProductKernels: { readonly matMul: Kernel<OperationAttributes['matMul']> } = {
  matMul: (call) => {
    const { tf, type, attributes } = call;
    const { transposeA, transposeB } = attributes;
    const shape = [...type.shape];
    const batch = shape.slice(0, -2);
    const [a, b] = [input(call), input(call, 1)];
    const [batchA, batchB] = [a, b].map(({ shape: own }) => sizeOf(own.slice(0, -2)));
    if (batchB === 1 && !transposeA) {
      // One matrix for all: the rows of every batch together are one tall matrix.
      const tall = tf.reshape(a, [1, -1, a.shape[a.shape.length - 1] ?? 1]);
      return tf.reshape(multiplyStacks(tf, tall, stackOf(tf, b), false, transposeB), shape);
    }
    // TensorFlow.js takes the larger number of batches for that of the result: [2, 1] with [3] would give three.
    const whole = (value: TfTensor, count: number | undefined): TfTensor =>
      stackOf(tf, count === 1 || count === sizeOf(batch) ? value : broadcast(tf, value, [...batch, ...value.shape.slice(-2)]));
    return tf.reshape(multiplyStacks(tf, whole(a, batchA), whole(b, batchB), transposeA, transposeB), shape);
  },
};
