import { importPackage } from '../packages.js';

/**
 * Gives Node the WebGPU of the package `webgpu` (Dawn), unless it has one. TensorFlow.js looks for it among the
 * globals, so that is where it must go; nothing is put there when the machine has no adapter.
 */
export async function provideWebGpu(): Promise<void> {
  if ('navigator' in globalThis && 'gpu' in globalThis.navigator) return;
  const { create, globals } = await importPackage('webgpu', () => import('webgpu'));
  const gpu = create([]);
  if ((await gpu.requestAdapter()) === null) throw new Error('the package webgpu finds no adapter on this machine');
  const define = (target: object, name: string, value: unknown): void => {
    if (!(name in target)) Object.defineProperty(target, name, { value, configurable: true, writable: true });
  };
  for (const [name, value] of Object.entries(globals)) define(globalThis, name, value);
  define(globalThis, 'navigator', {});
  define(globalThis.navigator, 'gpu', gpu);
}
