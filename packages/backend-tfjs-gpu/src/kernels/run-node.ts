import { type OperationAttributes, type OperationName, type PrimitiveName, sizeOf, type TensorType, valueOverNothing } from '@tesserae/core';
import type { Tf, TfTensor } from '../tensorflow.js';
import { arrangementKernels } from './arrangement.js';
import { broadcastKernels } from './broadcast.js';
import { convolutionKernels } from './convolution.js';
import { elementwiseKernels } from './elementwise.js';
import { indexingKernels } from './indexing.js';
import type { Kernel } from './kernel.js';
import { matrixProductKernels } from './matrix-product.js';
import { reductionKernels } from './reduction.js';
import { transposeKernels } from './transpose.js';
import { windowKernels } from './window.js';

/** Composites that a kernel does whole. */
export type ClaimedComposite = 'softmax';
export const claimedComposites: ReadonlySet<ClaimedComposite> = new Set(['softmax']);

export type KernelName = Exclude<PrimitiveName, 'input' | 'state' | 'constant' | 'literal' | 'loop' | 'loopResult'> | ClaimedComposite;

/** Every primitive that computes has a kernel, or this does not compile. */
const kernels: { readonly [O in KernelName]: Kernel<OperationAttributes[O]> } = {
  ...elementwiseKernels,
  ...broadcastKernels,
  ...reductionKernels,
  ...transposeKernels,
  ...windowKernels,
  ...arrangementKernels,
  ...matrixProductKernels,
  ...convolutionKernels,
  ...indexingKernels,
};

/** What a node gives whose inputs have no elements: most kernels fail there, each device in its own way. */
function runOverNothing(tf: Tf, operation: KernelName, inputs: readonly TfTensor[], attributes: OperationAttributes[OperationName], type: TensorType): TfTensor {
  if (operation === 'concat') {
    return kernels.concat({ tf, inputs: inputs.filter(({ size }) => size > 0), attributes: attributes as OperationAttributes['concat'], type });
  }
  const value = valueOverNothing({ operation, attributes } as Parameters<typeof valueOverNothing>[0], type.dtype);
  const filled = tf.fill([...type.shape], value, type.dtype === 'bool' ? 'int32' : type.dtype);
  return type.dtype === 'bool' ? tf.cast(filled, 'bool') : filled;
}

/** Computes one node on the active device; the result is a tensor of its own, the caller's to dispose. */
export function runNode(tf: Tf, operation: KernelName, inputs: readonly TfTensor[], attributes: OperationAttributes[OperationName], type: TensorType): TfTensor {
  return tf.tidy(() => {
    if (sizeOf(type.shape) === 0) return tf.tensor([], [...type.shape], type.dtype);
    if (inputs.some(({ size }) => size === 0)) return runOverNothing(tf, operation, inputs, attributes, type);
    const kernel = kernels[operation] as Kernel<unknown>;
    const value = kernel({ tf, inputs, attributes, type });
    // A kernel may hand its input through; the caller disposes inputs and results separately.
    return inputs.includes(value) ? tf.clone(value) : value;
  });
}
