import { availableParallelism } from 'node:os';
import { type Backend, TesseraeError } from '@tesserae/core';
import { createOnnxBackend } from '../backend.js';
import type { OnnxRuntime } from '../runtime.js';
import { mapFiles } from './map-files.js';

export interface NodeOnnxBackendOptions {
  /** Default `cpu`; `webgpu` runs on Dawn, which onnxruntime-node brings; `cuda` needs its own libraries. */
  readonly device?: 'cpu' | 'webgpu' | 'cuda';
  /** Threads inside one operator. Default: one a core that this process may use; ONNX Runtime's own guess is one in many virtual machines. */
  readonly threads?: number;
  /**
   * Map large weights out of their safetensors file instead of copying them: opens in milliseconds and shares memory
   * between processes, but batches run slower because weights cannot be packed. Default false.
   */
  readonly memoryMap?: boolean;
  /** Writes how long every operator took: `<profile>-<number>-<name of the graph>_<time>.json` for each program when it is disposed. */
  readonly profile?: string;
  /** An already loaded `onnxruntime-node`. */
  readonly runtime?: OnnxRuntime;
}

async function loadRuntime(): Promise<OnnxRuntime> {
  try {
    const loaded = (await import('onnxruntime-node')) as unknown as OnnxRuntime & { readonly default?: OnnxRuntime };
    return loaded.InferenceSession === undefined && loaded.default !== undefined ? loaded.default : loaded;
  } catch (cause) {
    throw new TesseraeError('missing-dependency', "The backend 'onnx' needs the package onnxruntime-node.", {
      remedy: 'Install it: npm install onnxruntime-node --onnxruntime-node-install=skip.',
      cause,
    });
  }
}

/** ONNX Runtime in Node. @throws TesseraeError `missing-dependency` when onnxruntime-node is not installed. */
export async function createNodeOnnxBackend(options: NodeOnnxBackendOptions = {}): Promise<Backend> {
  const { device = 'cpu', threads = availableParallelism(), memoryMap = false, profile } = options;
  const runtime = options.runtime ?? (await loadRuntime());
  const version = runtime.env?.versions?.node ?? runtime.env?.versions?.common ?? '';
  return createOnnxBackend({
    runtime,
    device,
    threads,
    ...(profile === undefined ? {} : { profile }),
    ...(memoryMap ? { mapped: mapFiles(runtime) } : {}),
    description: `onnx: ONNX Runtime ${version} on ${device}${memoryMap ? ', weights mapped' : ''}`,
  });
}
