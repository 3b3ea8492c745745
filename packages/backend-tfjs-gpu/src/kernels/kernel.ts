import type { TensorType } from '@tesserae/core';
import type { Tf, TfTensor } from '../tensorflow.js';

export interface KernelCall<Attributes> {
  readonly tf: Tf;
  readonly inputs: readonly TfTensor[];
  readonly attributes: Attributes;
  /** What the result must be. */
  readonly type: TensorType;
}

/** Computes one node whose inputs and result have elements. Runs inside `tf.tidy`: temporaries need no care. */
export type Kernel<Attributes> = (call: KernelCall<Attributes>) => TfTensor;

/** Devices differ in how many axes their kernels take; all of them take four. */
export const safeRank = 4;

export function input(call: { readonly inputs: readonly TfTensor[] }, index = 0): TfTensor {
  const found = call.inputs[index];
  if (found === undefined) throw new RangeError(`kernel lacks input ${index}`);
  return found;
}

/** Kernels that move elements about have no bool version on some devices: go through int32. */
export const throughInt32 =
  <Attributes>(kernel: Kernel<Attributes>): Kernel<Attributes> =>
  (call) => {
    if (call.type.dtype !== 'bool') return kernel(call);
    const inputs = call.inputs.map((value) => (value.dtype === 'bool' ? call.tf.cast(value, 'int32') : value));
    return call.tf.cast(kernel({ ...call, inputs, type: { ...call.type, dtype: 'int32' } }), 'bool');
  };
