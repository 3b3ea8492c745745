import { type Backend, type BackendChoice, type BackendOptions, type BackendRegistry, resolveBackend } from '@tesserae/core';
import { type CommandContext, numberOption, textOption, UsageError } from './command.js';

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

/** A configured backend with what the command line adds to it; an instance or a list is left as it is. */
function withOptions(choice: BackendChoice, told: BackendOptions): BackendChoice {
  if (typeof choice === 'string') return told.device === undefined ? choice : { name: choice.split(':')[0] ?? '', ...told };
  return 'name' in choice && !('compile' in choice) ? { ...choice, ...told } : choice;
}

/** The backend that `--backend`, else TESSERAE_BACKEND, else the configuration asks for; `--device` and `--threads` add to it. */
export function openBackend({ options, environment, configuration }: Pick<CommandContext, 'options' | 'environment' | 'configuration'>): Promise<Backend> {
  const name = textOption(options, 'backend');
  const device = textOption(options, 'device');
  const threads = numberOption(options, 'threads', { minimum: 1, integer: true });
  const told = { ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) };
  const variable = environment.TESSERAE_BACKEND;
  return resolveBackend({
    registry: backendRegistry,
    ...(name === undefined ? {} : { choice: { name, ...told } }),
    // A device named here is one of the backend named here or configured, not of the variable's.
    ...(variable === undefined || device !== undefined ? {} : { environment: variable }),
    fallback: withOptions(configuration.backend ?? { name: 'onnx' }, told),
  });
}
