import { describe, expect, it } from 'vitest';
import { TesseraeError } from '../errors/index.js';
import { type Backend, type BackendChoice, type BackendOptions, type BackendRegistry, resolveBackend } from './index.js';
import { createReferenceBackend } from './reference/index.js';

/** A registry whose factories tell what they were asked for in the description. */
const registry: BackendRegistry = {
  onnx: async (options) => ({ ...createReferenceBackend(), name: 'onnx', description: JSON.stringify(options) }),
  broken: async () => {
    throw new TesseraeError('missing-dependency', "The backend 'broken' needs the package left-pad.", { remedy: 'Install it.' });
  },
  gone: async () => {
    throw new Error('no GPU');
  },
};

const resolve = (choice: BackendChoice | undefined, environment?: string, fallback: BackendChoice = 'onnx'): Promise<Backend> =>
  resolveBackend({ registry, fallback, ...(choice === undefined ? {} : { choice }), ...(environment === undefined ? {} : { environment }) });
const asked = async (backend: Promise<Backend>): Promise<BackendOptions> => JSON.parse((await backend).description) as BackendOptions;

describe('resolveBackend', () => {
  it('takes a name, with or without a device', async () => {
    expect(await asked(resolve('onnx'))).toEqual({});
    expect(await asked(resolve('onnx:webgpu'))).toEqual({ device: 'webgpu' });
  });

  it('takes an object and passes everything else on', async () => {
    expect(await asked(resolve({ name: 'onnx', device: 'cpu', threads: 2, memoryMap: true }))).toEqual({ device: 'cpu', threads: 2, memoryMap: true });
  });

  it('takes an instance as it is', async () => {
    const instance = createReferenceBackend();
    expect(await resolve(instance)).toBe(instance);
  });

  it('refuses an instance of another specification', async () => {
    const future = { ...createReferenceBackend(), specificationVersion: 'v9' } as unknown as Backend;
    await expect(resolve(future)).rejects.toMatchObject({ code: 'backend-unknown', message: expect.stringContaining("'reference' follows specification v9") });
  });

  it('takes the first of a list that works', async () => {
    expect((await resolve(['broken', { name: 'gone' }, 'onnx:webgpu', 'broken'])).description).toBe('{"device":"webgpu"}');
    expect((await resolve(['unknown', createReferenceBackend()])).name).toBe('reference');
    expect((await resolve(['broken', ['gone', 'onnx']])).name).toBe('onnx');
  });

  it('tells why each of a list failed when none works', async () => {
    await expect(resolve(['broken', 'gone', 'unknown'])).rejects.toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringMatching(/needs the package left-pad.*no GPU.*There is no backend 'unknown'/s),
      details: { failures: [expect.stringContaining('left-pad'), 'no GPU', expect.stringContaining('unknown')] },
    });
    await expect(resolve([])).rejects.toMatchObject({ code: 'backend-unavailable' });
  });

  it('reads TESSERAE_BACKEND when nothing was configured, and falls back when that is empty', async () => {
    expect(await asked(resolve(undefined, 'onnx:webgpu'))).toEqual({ device: 'webgpu' });
    expect(await asked(resolve('onnx', 'onnx:webgpu'))).toEqual({});
    expect(await asked(resolve(undefined, '', 'onnx:cpu'))).toEqual({ device: 'cpu' });
    expect(await asked(resolve(undefined, undefined, 'onnx:cpu'))).toEqual({ device: 'cpu' });
  });

  it('names what there is when a name is not known, also one that every object has', async () => {
    for (const name of ['tpu', 'toString', '']) {
      await expect(resolve(name)).rejects.toMatchObject({
        code: 'backend-unknown',
        message: expect.stringContaining(`There is no backend '${name}'`),
        remedy: 'Use onnx, broken, gone.',
        details: { name },
      });
    }
  });

  it('passes on the error of the one backend that was asked for', async () => {
    await expect(resolve('broken')).rejects.toMatchObject({ code: 'missing-dependency' });
  });
});
