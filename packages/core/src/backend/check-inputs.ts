import { TesseraeError } from '../errors/index.js';
import { type Graph, leavesOf, type NamedType } from '../graph/index.js';
import { formatShape, type HostArray, sameShape } from '../tensor/index.js';
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

/** Checks that weights and state have everything the graph reads. @throws TesseraeError `model-incompatible`. */
export function checkBindings(graph: Graph, options: CompileOptions): Bindings {
  checkBound('constant', leavesOf(graph, 'constant'), options.weights?.types);
  checkBound('state', leavesOf(graph, 'state'), options.state?.types);
  return { weights: options.weights, state: options.state };
}
