import { TesseraeError } from '../../errors/index.js';
import { leavesOf, type NamedType } from '../../graph/index.js';
import { prepareGraph } from '../../passes/index.js';
import type { HostArray } from '../../tensor/index.js';
import type { Backend, StateStore } from '../backend.js';
import { checkBindings, checkInputs } from '../check-inputs.js';
import { evaluatePrimitives } from './evaluate.js';

export { evaluateGraph, type GraphResults, type GraphValues } from './evaluate.js';

function typesOf(values: ReadonlyMap<string, HostArray>): Map<string, NamedType> {
  return new Map(Array.from(values, ([name, { shape, dtype }]) => [name, { name, shape, dtype }] as const));
}

/**
 * The slow, obvious backend: plain TypeScript, sums in float64. The oracle of the conformance suite, and good enough
 * to run tiny models where nothing else is installed.
 */
export function createReferenceBackend(): Backend {
  const stores = new WeakMap<StateStore, Map<string, HostArray>>();
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
      const store = state === undefined ? undefined : stores.get(state);
      return {
        graph,
        async run(inputs, { signal } = {}) {
          signal?.throwIfAborted();
          checkInputs(graph, inputs);
          const { outputs, updates } = evaluatePrimitives(prepared, { inputs, constants, ...(store === undefined ? {} : { state: store }) });
          for (const [name, value] of Object.entries(updates)) store?.set(name, value);
          return outputs;
        },
        dispose: () => constants.clear(),
      };
    },
    async createState(initial) {
      const values = new Map(initial);
      const store: StateStore = {
        types: typesOf(values),
        async read(name) {
          const value = values.get(name);
          if (value === undefined)
            throw new TesseraeError('invalid-argument', `There is no state '${name}'.`, {
              remedy: `It holds ${[...values.keys()].slice(0, 5).join(', ') || 'nothing; it may be disposed'}.`,
            });
          return value;
        },
        async write(name, value) {
          values.set(name, value);
        },
        dispose: () => values.clear(),
      };
      stores.set(store, values);
      return store;
    },
    dispose: async () => undefined,
  };
}
