import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { createTfjsBackend } from './backend.js';
import { browserLoaders, type DeviceLoaders } from './devices.js';
import { createNodeTfjsBackend } from './node/index.js';
import { importPackage } from './packages.js';

const refuse = (reason: string) => async () => {
  throw new Error(reason);
};
const absent = (name: string) => () => importPackage(name, () => Promise.reject(new Error(`Cannot find package '${name}'`)));

/** Only plain JavaScript can be had, the others for different reasons. */
const loaders: DeviceLoaders = {
  webgpu: absent('@tensorflow/tfjs-backend-webgpu'),
  webgl: refuse('WebGL needs a browser'),
  wasm: refuse('no binary'),
  cpu: browserLoaders.cpu,
};

describe('the device of tfjs-gpu', () => {
  it('is the first that works, and the description says why not those before it', async () => {
    const backend = await createTfjsBackend({ tf, loaders });
    expect(backend.device).toBe('cpu');
    expect(backend.description).toBe(
      `tfjs-gpu: TensorFlow.js ${tf.version_core} on cpu (not webgpu: the package @tensorflow/tfjs-backend-webgpu is not installed; not webgl: WebGL needs a browser; not wasm: no binary)`,
    );
  });

  it('falls back to WASM in Node without an adapter', async () => {
    const backend = await createNodeTfjsBackend();
    // A machine with a GPU may take it; then there is nothing to explain.
    if (backend.device === 'webgpu') return expect(backend.description).not.toContain('not ');
    expect(backend.device).toBe('wasm');
    expect(backend.description).toMatch(/on wasm \(not webgpu: the package webgpu finds no adapter on this machine; not webgl: WebGL needs a browser\)$/);
  });

  it('is exactly the one asked for, without excuses', async () => {
    const backend = await createNodeTfjsBackend({ device: 'cpu' });
    expect(backend.description).toBe(`tfjs-gpu: TensorFlow.js ${tf.version_core} on cpu`);
  });

  it('is an error when the one asked for does not work here', async () => {
    await expect(createNodeTfjsBackend({ device: 'webgl' })).rejects.toMatchObject({ code: 'backend-unavailable', message: expect.stringContaining('WebGL needs a browser') });
  });

  it('names what to install when a package is missing', async () => {
    await expect(createTfjsBackend({ tf, device: 'webgpu', loaders })).rejects.toMatchObject({
      code: 'missing-dependency',
      remedy: 'Install it: npm install @tensorflow/tfjs-backend-webgpu.',
    });
    const none: DeviceLoaders = { webgpu: absent('a'), webgl: absent('b'), wasm: absent('c'), cpu: absent('d') };
    await expect(createTfjsBackend({ tf, loaders: none })).rejects.toMatchObject({
      code: 'missing-dependency',
      message: expect.stringContaining('wasm: the package c is not installed'),
    });
  });

  it('is an error telling every reason when none works', async () => {
    const none: DeviceLoaders = { ...loaders, cpu: refuse('no JavaScript') };
    await expect(createTfjsBackend({ tf, loaders: none })).rejects.toMatchObject({
      code: 'backend-unavailable',
      details: { refused: expect.arrayContaining(['wasm: no binary', 'cpu: no JavaScript']) },
    });
  });
});
