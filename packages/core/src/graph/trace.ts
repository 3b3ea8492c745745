import { TesseraeError } from '../errors/index.js';
import { type DType, float32Array, formatShape, type HostArray, int32Array, type Shape, sameShape } from '../tensor/index.js';
import { createGraphBuilder, type GraphBuilder, literal, type Tensor } from './builder.js';
import type { Graph, GraphOutput, LeafKind } from './graph.js';
import { verifyGraph } from './verify.js';

/** What a model function writes a graph with. */
export interface TraceScope {
  readonly builder: GraphBuilder;
  /** A value given at every run. */
  input(name: string, shape: Shape, dtype?: DType): Tensor;
  /** A value that lives on the device between runs. */
  state(name: string, shape: Shape, dtype?: DType): Tensor;
  /** A value bound when the program is compiled: a weight. */
  constant(name: string, shape: Shape, dtype?: DType): Tensor;
  /** A number or an array written into the graph. A plain number becomes a float32 scalar. */
  literal(value: HostArray | number): Tensor;
  /** 0, 1, 2, … along `axis` (0 by default) of `shape`, int32. */
  iota(shape: Shape, axis?: number): Tensor;
  /** Names a result. */
  output(name: string, value: Tensor): void;
  /** Gives a state its new value, written after the run. The type must not change. */
  assign(name: string, value: Tensor): void;
}

/**
 * Traces a function of symbolic tensors into a verified graph.
 * @example
 * const graph = trace('double', (scope) => {
 *   const x = scope.input('x', [2, 3]);
 *   scope.output('y', multiply(x, 2));
 * });
 */
export function trace(name: string, body: (scope: TraceScope) => void): Graph {
  const builder = createGraphBuilder();
  const outputs: GraphOutput[] = [];
  const updates: GraphOutput[] = [];
  const leaves = new Map<string, { readonly kind: LeafKind; readonly tensor: Tensor }>();

  const leaf = (kind: LeafKind, leafName: string, shape: Shape, dtype: DType): Tensor => {
    if (shape.some((size) => !Number.isSafeInteger(size) || size < 0)) {
      throw new TesseraeError('shape-mismatch', `${kind} '${leafName}': ${formatShape(shape)} is no shape.`, {
        remedy: 'Graphs have static shapes: give every axis a whole size of at least 0.',
        details: { name: leafName, shape },
      });
    }
    const known = leaves.get(leafName);
    const made = builder.add(kind, [], { name: leafName }, { shape, dtype });
    if (known !== undefined && known.tensor.node !== made.node) {
      const before = `${known.kind} ${known.tensor.dtype} ${formatShape(known.tensor.shape)}`;
      throw new TesseraeError('graph-invalid', `'${leafName}' is declared twice, as ${before} and ${kind} ${dtype} ${formatShape(shape)}.`, {
        remedy: 'Give every input, state and constant its own name, and use one type for it.',
      });
    }
    leaves.set(leafName, { kind, tensor: made });
    return made;
  };
  const named = (list: GraphOutput[], outputName: string, value: Tensor): void => {
    if (value.builder !== builder || list.some((output) => output.name === outputName)) {
      throw new TesseraeError(
        'graph-invalid',
        `'${outputName}' cannot be a result: ${value.builder === builder ? 'the name is taken' : 'it belongs to another trace or a loop body'}.`,
        {
          remedy: 'Use a name once, and read values of a loop through its results.',
        },
      );
    }
    list.push({ name: outputName, node: value.node });
  };

  body({
    builder,
    input: (leafName, shape, dtype = 'float32') => leaf('input', leafName, shape, dtype),
    state: (leafName, shape, dtype = 'float32') => leaf('state', leafName, shape, dtype),
    constant: (leafName, shape, dtype = 'float32') => leaf('constant', leafName, shape, dtype),
    literal: (value) => literal(builder, typeof value === 'number' ? float32Array([], [value]) : value),
    iota: (shape, axis = 0) => (shape.length === 0 ? literal(builder, int32Array([], [0])) : builder.add('iota', [], { shape, axis })),
    output: (outputName, value) => named(outputs, outputName, value),
    assign: (stateName, value) => {
      const declared = leaves.get(stateName);
      const state = declared?.kind === 'state' ? declared.tensor : undefined;
      if (state === undefined || state.dtype !== value.dtype || !sameShape(state.shape, value.shape)) {
        throw new TesseraeError('graph-invalid', `State '${stateName}' cannot be assigned ${value.dtype} ${formatShape(value.shape)}.`, {
          remedy: state === undefined ? 'Declare it with scope.state first.' : `It is ${state.dtype} ${formatShape(state.shape)}.`,
        });
      }
      named(updates, stateName, value);
    },
  });
  return verifyGraph({ name, nodes: builder.nodes, outputs, updates });
}
