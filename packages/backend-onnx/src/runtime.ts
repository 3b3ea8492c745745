import { type DType, type HostArray, TesseraeError } from '@tesserae/core';
import type { InferenceSession, Tensor, TensorConstructor } from 'onnxruntime-common';

/** What this backend needs of `onnxruntime-node`, `onnxruntime-web` or anything else that follows `onnxruntime-common`. */
export interface OnnxRuntime {
  readonly InferenceSession: { create(model: Uint8Array | string, options?: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: TensorConstructor;
  readonly env?: { readonly versions?: { readonly common?: string; readonly node?: string; readonly web?: string } };
}

const runtimeTypes: { readonly [D in DType]: D } = { float32: 'float32', int32: 'int32', bool: 'bool' };

export function toRuntimeTensor(runtime: OnnxRuntime, array: HostArray): Tensor {
  const type = runtimeTypes[array.dtype];
  return new runtime.Tensor(type, array.data as never, [...array.shape]) as Tensor;
}

export function toHostArray(tensor: Tensor, name: string): HostArray {
  const shape = tensor.dims.map(Number);
  switch (tensor.type) {
    case 'float32':
      return { dtype: 'float32', shape, data: tensor.data as Float32Array };
    case 'int32':
      return { dtype: 'int32', shape, data: tensor.data as Int32Array };
    case 'bool':
      return { dtype: 'bool', shape, data: tensor.data as Uint8Array };
    default:
      throw new TesseraeError('backend-failure', `ONNX Runtime gave '${name}' as ${tensor.type}.`, { remedy: 'Report this: graphs have float32, int32 and bool results only.' });
  }
}
