import { type Backend, type BackendOptions, type BackendRegistry, resolveBackend } from '@tesserae/core';
import { numberOption, type OptionValues, textOption, UsageError } from './command.js';

/** Every backend of the command line. Engines are loaded only when they are asked for. */
export const backendRegistry: BackendRegistry = {
  async onnx(options) {
    const { createNodeOnnxBackend } = await import('@tesserae/backend-onnx/node');
    const { device = 'cpu', threads, memoryMap } = options;
    if (device !== 'cpu' && device !== 'webgpu' && device !== 'cuda') throw new UsageError(`--device ${device}: the onnx backend has cpu, webgpu and cuda.`);
    return createNodeOnnxBackend({ device, ...(threads === undefined ? {} : { threads }), ...(memoryMap === true ? { memoryMap } : {}) });
  },
  async 'tfjs-gpu'(options) {
    const { createNodeTfjsBackend } = await import('@tesserae/backend-tfjs-gpu/node');
    const { device } = options;
    if (device !== undefined && device !== 'webgpu' && device !== 'wasm' && device !== 'cpu') {
      throw new UsageError(`--device ${device}: in Node the tfjs-gpu backend has webgpu, wasm and cpu.`);
    }
    return createNodeTfjsBackend(device === undefined ? {} : { device });
  },
  async reference() {
    const { createReferenceBackend } = await import('@tesserae/core/reference');
    return createReferenceBackend();
  },
};

/** The backend that `--backend`, `--device` and `--threads`, or else TESSERAE_BACKEND, ask for. */
export function openBackend(options: OptionValues, environment: Readonly<Record<string, string | undefined>>, extra: BackendOptions = {}): Promise<Backend> {
  const name = textOption(options, 'backend');
  const device = textOption(options, 'device');
  const threads = numberOption(options, 'threads', { minimum: 1, integer: true });
  const told = { ...extra, ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) };
  const variable = environment.TESSERAE_BACKEND;
  return resolveBackend({
    registry: backendRegistry,
    ...(name === undefined && (variable === undefined || device !== undefined) ? { choice: { name: 'onnx', ...told } } : {}),
    ...(name === undefined ? {} : { choice: { name, ...told } }),
    ...(variable === undefined ? {} : { environment: variable }),
    fallback: { name: 'onnx', ...told },
  });
}
