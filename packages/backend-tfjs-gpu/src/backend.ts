import { type Backend, type CompositeName, checkBindings, leavesOf, prepareGraph, type StateStore, TesseraeError } from '@tesserae/core';
import { createActivation } from './active-device.js';
import { browserLoaders, type DeviceLoaders, deviceOrder, openDevice, type TfjsDevice } from './devices.js';
import { claimedComposites } from './kernels/run-node.js';
import { createLifetime } from './lifetime.js';
import { importPackage } from './packages.js';
import { createProgram } from './program.js';
import { createDeviceState, type DeviceState } from './state-store.js';
import type { Tf } from './tensorflow.js';
import { createWeightCache } from './weights.js';

export interface TfjsBackendOptions {
  /** Exactly this device. Default: the first that works of WebGPU, WebGL, WASM and CPU. */
  readonly device?: TfjsDevice;
  /** An already loaded `@tensorflow/tfjs-core`: the very module that the device packages import. Default: it is imported. */
  readonly tf?: Tf;
  /** How devices are loaded. Default: by importing their packages, as a browser does; the Node entry gives its own. */
  readonly loaders?: DeviceLoaders;
}

async function loadTensorFlow(): Promise<Tf> {
  const tf = await importPackage('@tensorflow/tfjs-core', () => import('@tensorflow/tfjs-core'));
  // Without this the CPU device prints an advertisement in Node.
  tf.env().set('PROD', true);
  return tf;
}

/**
 * TensorFlow.js as a backend: float32, int32 and bool graphs of any rank, on WebGPU, WebGL, WASM or plain JavaScript.
 * `description` says which device was taken and why not the ones before it.
 *
 * WASM and CPU compute on the calling thread, which a run blocks; a signal is heard before and after the computation.
 * `dispose` frees the tensors of everything the backend gave out; the device stays, because TensorFlow.js has one for
 * all its users. Node users: `createNodeTfjsBackend` of `@tesserae/backend-tfjs-gpu/node`.
 *
 * @throws TesseraeError `missing-dependency` when TensorFlow.js, or the package of the one device asked for, is not
 * installed; `backend-unavailable` when no device works, telling why each did not.
 * @example
 * const backend = await createTfjsBackend();
 * const program = await backend.compile(graph, { weights });
 * const { y } = await program.run({ x: float32Array([2, 3], [1, 2, 3, 4, 5, 6]) });
 * await backend.dispose();
 */
export async function createTfjsBackend(options: TfjsBackendOptions = {}): Promise<Backend> {
  const tf = options.tf ?? (await loadTensorFlow());
  const { device, refused } = await openDevice(tf, options.device === undefined ? deviceOrder : [options.device], options.loaders ?? browserLoaders);
  const composites: ReadonlySet<CompositeName> = claimedComposites;
  const activate = createActivation(tf, device);
  const lifetime = createLifetime(`The backend tfjs-gpu on ${device}`);
  const weightCache = createWeightCache(tf, activate);
  const states = new WeakMap<StateStore, DeviceState>();

  const stateOf = (store: StateStore): DeviceState => {
    const found = states.get(store);
    if (found !== undefined) return found;
    throw new TesseraeError('invalid-argument', 'The state was made by another backend.', { remedy: 'Make it with createState of the backend that compiles the graph.' });
  };

  return {
    specificationVersion: 'v1',
    name: 'tfjs-gpu',
    device,
    description: `tfjs-gpu: TensorFlow.js ${tf.version_core} on ${device}${refused.length === 0 ? '' : ` (not ${refused.join('; not ')})`}`,
    composites,
    async compile(graph, compileOptions = {}) {
      const { signal } = compileOptions;
      signal?.throwIfAborted();
      lifetime.check();
      const bindings = checkBindings(graph, compileOptions);
      const state = bindings.state === undefined ? undefined : stateOf(bindings.state);
      const prepared = prepareGraph(graph, { composites });
      const constants = leavesOf(prepared, 'constant').map(({ name }) => name);
      const weights = bindings.weights === undefined ? undefined : await weightCache.bind(bindings.weights, constants, signal);
      try {
        signal?.throwIfAborted();
        lifetime.check();
        return createProgram({ tf, device, activate, lifetime, graph, prepared, weights, state });
      } catch (cause) {
        weights?.release();
        throw cause;
      }
    },
    async createState(initial) {
      lifetime.check();
      const state = createDeviceState(tf, activate, lifetime, initial);
      states.set(state.store, state);
      return state.store;
    },
    async dispose() {
      lifetime.dispose();
    },
  };
}
