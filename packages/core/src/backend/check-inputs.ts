import { TesseraeError } from '../errors/index.js';
import { type Graph, leavesOf, type NamedType } from '../graph/index.js';
import { formatShape, type HostArray, sameShape, sizeOf } from '../tensor/index.js';
import type { CompileOptions, StateStore, WeightSource } from './backend.js';

/** @throws TesseraeError for an input that is missing, unknown, or of another type than the graph's. */
export function checkInputs(graph: Graph, inputs: Readonly<Record<string, HostArray>>): void {
  const expected = leavesOf(graph, 'input');
  for (const { name, shape, dtype } of expected) {
    const given = inputs[name];
    if (given === undefined)
      throw new TesseraeError('invalid-argument', `Graph '${graph.name}' was not given its input '${name}'.`, { remedy: `Pass ${dtype} ${formatShape(shape)}.` });
    if (given.dtype !== dtype) throw new TesseraeError('dtype-mismatch', `Input '${name}' is ${given.dtype}, not ${dtype}.`, { remedy: `Pass a ${dtype} array.` });
    if (!sameShape(given.shape, shape)) {
      throw new TesseraeError('shape-mismatch', `Input '${name}' is ${formatShape(given.shape)}, not ${formatShape(shape)}.`, {
        remedy: 'Graphs have static shapes: pass this one, or trace another.',
        details: { name },
      });
    }
    if (given.data.length !== sizeOf(shape)) {
      throw new TesseraeError('shape-mismatch', `Input '${name}' has ${given.data.length} elements, but its shape ${formatShape(shape)} ${sizeOf(shape)}.`, {
        remedy: 'Pass data whose length is the product of the shape.',
        details: { name },
      });
    }
  }
  for (const name of Object.keys(inputs)) {
    if (!expected.some((leaf) => leaf.name === name)) {
      throw new TesseraeError('invalid-argument', `Graph '${graph.name}' has no input '${name}'.`, {
        remedy: `It takes ${expected.map((leaf) => leaf.name).join(', ') || 'nothing'}.`,
      });
    }
  }
}

function checkBound(kind: 'constant' | 'state', leaves: readonly NamedType[], types: ReadonlyMap<string, NamedType> | undefined): void {
  for (const { name, shape, dtype } of leaves) {
    const found = types?.get(name);
    if (found === undefined || found.dtype !== dtype || !sameShape(found.shape, shape)) {
      throw new TesseraeError(
        'model-incompatible',
        `The ${kind} '${name}' should be ${dtype} ${formatShape(shape)} but is ${found === undefined ? 'missing' : `${found.dtype} ${formatShape(found.shape)}`}.`,
        {
          remedy: kind === 'constant' ? 'Use the weights that belong to this configuration.' : 'Put it into the state store before compiling.',
          details: { name },
        },
      );
    }
  }
}

/** What a program binds when it is compiled. */
export interface Bindings {
  readonly weights: WeightSource | undefined;
  readonly state: StateStore | undefined;
}

/** Checks that the weights have every constant of the graph, and of its type. @throws TesseraeError `model-incompatible`. */
export function checkWeights(graph: Graph, weights: WeightSource | undefined): void {
  checkBound('constant', leavesOf(graph, 'constant'), weights?.types);
}

/** What a backend keeps for a store that it made. @throws TesseraeError `invalid-argument` for a store of another backend. */
export function ownStore<T>(stores: WeakMap<StateStore, T>, state: StateStore | undefined): T | undefined {
  if (state === undefined) return undefined;
  const own = stores.get(state);
  if (own === undefined) {
    throw new TesseraeError('invalid-argument', 'The state store belongs to another backend.', { remedy: 'Create it with the backend that compiles the graph.' });
  }
  return own;
}

/** Checks that weights and state have everything the graph reads. @throws TesseraeError `model-incompatible`. */
export function checkBindings(graph: Graph, options: CompileOptions): Bindings {
  checkWeights(graph, options.weights);
  checkBound('state', leavesOf(graph, 'state'), options.state?.types);
  return { weights: options.weights, state: options.state };
}
