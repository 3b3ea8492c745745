import type { Backend } from '@tesserae/core';
import { createTfjsBackend, type TfjsBackendOptions } from '../backend.js';
import { browserLoaders, type DeviceLoaders } from '../devices.js';
import { locateWasm } from './locate-wasm.js';
import { provideWebGpu } from './provide-webgpu.js';

export type NodeTfjsBackendOptions = Omit<TfjsBackendOptions, 'loaders'>;

const nodeLoaders: DeviceLoaders = {
  ...browserLoaders,
  webgpu: async () => {
    await provideWebGpu();
    await browserLoaders.webgpu();
  },
  webgl: async () => {
    throw new Error('WebGL needs a browser');
  },
  wasm: async () => {
    await browserLoaders.wasm();
    await locateWasm();
  },
};

/**
 * TensorFlow.js in Node: WebGPU where the package `webgpu` finds an adapter, else WASM, else plain JavaScript.
 * @param options.device exactly this one; default: the first that works.
 * @throws TesseraeError as `createTfjsBackend` does.
 * @example
 * const backend = await createNodeTfjsBackend();
 * backend.description; // tfjs-gpu: TensorFlow.js 4.22.0 on wasm (not webgpu: the package webgpu finds no adapter on this machine; …)
 */
export function createNodeTfjsBackend(options: NodeTfjsBackendOptions = {}): Promise<Backend> {
  return createTfjsBackend({ ...options, loaders: nodeLoaders });
}
