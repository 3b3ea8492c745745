import type * as TensorFlow from '@tensorflow/tfjs-core';
import { type HostArray, TesseraeError } from '@tesserae/core';

/** `@tensorflow/tfjs-core`, as a value that is passed around: loaded when a backend is opened, never before. */
export type Tf = typeof TensorFlow;
export type TfTensor = TensorFlow.Tensor;

/** A tensor on the active device. The caller disposes it. */
export function upload(tf: Tf, array: HostArray): TfTensor {
  // A copy: a device may keep the array it is given for a while, which the caller may change.
  return tf.tensor(array.data.slice(), [...array.shape], array.dtype);
}

/** Reads a tensor back into an array of its own. Asynchronous on every device, because WebGPU has no other way. */
export async function download(tensor: TfTensor, name: string): Promise<HostArray> {
  const shape = [...tensor.shape];
  const data = await tensor.data();
  switch (tensor.dtype) {
    case 'float32':
      return { dtype: 'float32', shape, data: new Float32Array(data) };
    case 'int32':
      return { dtype: 'int32', shape, data: new Int32Array(data) };
    case 'bool':
      return { dtype: 'bool', shape, data: new Uint8Array(data) };
    default:
      throw new TesseraeError('backend-failure', `TensorFlow.js gave '${name}' as ${tensor.dtype}.`, { remedy: 'Report this: graphs have float32, int32 and bool results only.' });
  }
}
