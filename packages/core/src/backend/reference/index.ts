import { TesseraeError } from '../../errors/index.js';
import { leavesOf } from '../../graph/index.js';
import { prepareGraph } from '../../passes/index.js';
import type { HostArray } from '../../tensor/index.js';
import type { Backend, StateStore } from '../backend.js';
import { checkBindings, checkInputs, ownStore } from '../check-inputs.js';
import { type HeldState, holdState } from '../held-state.js';
import { evaluatePrimitives } from './evaluate.js';

export { evaluateGraph, type GraphResults, type GraphValues } from './evaluate.js';

/** A copy: what crosses the edge belongs to the user, and evaluation passes leaves through as they are. */
function copyOf(array: HostArray): HostArray {
  switch (array.dtype) {
    case 'float32':
      return { ...array, data: new Float32Array(array.data) };
    case 'int32':
      return { ...array, data: new Int32Array(array.data) };
    case 'bool':
      return { ...array, data: new Uint8Array(array.data) };
    default:
      return array satisfies never;
  }
}

/**
 * The slow, obvious backend: plain TypeScript, sums in float64. The oracle of the conformance suite, and good enough
 * to run tiny models where nothing else is installed.
 */
export function createReferenceBackend(): Backend {
  const stores = new WeakMap<StateStore, HeldState<HostArray>>();
  return {
    specificationVersion: 'v1',
    name: 'reference',
    device: 'cpu',
    description: 'reference: plain TypeScript on the CPU, for checking other backends',
    composites: new Set(),
    async compile(graph, options = {}) {
      const { weights, state } = checkBindings(graph, options);
      const prepared = prepareGraph(graph, { composites: new Set() });
      const constants = new Map<string, HostArray>();
      for (const { name } of leavesOf(prepared, 'constant')) {
        const value = await weights?.read(name);
        if (value !== undefined) constants.set(name, value);
      }
      const store = ownStore(stores, state);
      let disposed = false;
      return {
        graph,
        async run(inputs, { signal } = {}) {
          signal?.throwIfAborted();
          checkInputs(graph, inputs);
          if (disposed) throw new TesseraeError('resource-disposed', `The program of graph '${graph.name}' was disposed.`, { remedy: 'Compile it again.' });
          const held = store?.values();
          const { outputs, updates } = evaluatePrimitives(prepared, { inputs, constants, ...(held === undefined ? {} : { state: held }) });
          for (const [name, value] of Object.entries(updates)) held?.set(name, copyOf(value));
          return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, copyOf(value)]));
        },
        dispose() {
          disposed = true;
          constants.clear();
        },
      };
    },
    async createState(initial) {
      const held = holdState<HostArray>(initial, { fromHost: copyOf, toHost: copyOf });
      stores.set(held.store, held);
      return held.store;
    },
    dispose: async () => undefined,
  };
}
