import { TesseraeError } from '../errors/index.js';
import type { DType, HostArray, Shape, TensorType } from '../tensor/index.js';
import { type Graph, type GraphOutput, loopResultTypes, type Node } from './graph.js';
import { inferType } from './infer-type.js';
import type { OperationAttributes, OperationName } from './operations.js';
import { attributeText } from './print.js';

/** A value that is being traced: a node of a graph under construction. Only shape and dtype are known. */
export interface Tensor extends TensorType {
  readonly node: number;
  readonly builder: GraphBuilder;
}

/** A graph under construction. Equal operations on equal inputs become one node (hash-consing). */
export interface GraphBuilder {
  readonly nodes: readonly Node[];
  /** Nesting of loop bodies: 0 for the graph itself. */
  readonly depth: number;
  readonly parent: GraphBuilder | undefined;
  add<O extends OperationName>(operation: O, inputs: readonly Tensor[], attributes: OperationAttributes[O], type?: TensorType): Tensor;
  tensor(node: number): Tensor;
  /** Runs `body` with `label` appended to the label of every node made meanwhile. */
  labelled<T>(label: string, body: () => T): T;
  /** A value of an enclosing builder, made readable in this loop body. */
  capture(outer: Tensor): Tensor;
}

/** What a loop body captured: outer tensors in the order of the body's `captured.N` inputs. */
export interface BodyBuilder extends GraphBuilder {
  readonly captured: readonly Tensor[];
}

/** A key under which two nodes are the same value; undefined when the node must stay alone. */
function internKey(operation: OperationName, inputs: readonly number[], attributes: OperationAttributes[OperationName], type: TensorType): string | undefined {
  if (operation === 'loop') return undefined;
  if ('array' in attributes) {
    const { array } = attributes;
    return array.data.length > 16 ? undefined : `literal|${array.dtype}|${array.shape}|${Array.from(array.data, (value) => (Object.is(value, -0) ? '-0' : value))}`;
  }
  return `${operation}|${inputs}|${attributeText(attributes)}|${type.shape}|${type.dtype}`;
}

export function createGraphBuilder(parent?: GraphBuilder): BodyBuilder {
  const nodes: Node[] = [];
  const interned = new Map<string, number>();
  const captured: Tensor[] = [];
  const captures = new Map<GraphBuilder, Map<number, Tensor>>();
  let label = '';

  const tensor = (node: number): Tensor => {
    const found = nodes[node];
    if (found === undefined) throw new RangeError(`graph has no node %${node}`);
    return { node, shape: found.shape, dtype: found.dtype, builder };
  };

  const builder: BodyBuilder = {
    nodes,
    depth: parent === undefined ? 0 : parent.depth + 1,
    parent,
    captured,
    tensor,
    add(operation, inputs, attributes, type) {
      const local = inputs.map((input) => (input.builder === builder ? input : builder.capture(input)));
      const given = type ?? inferType(operation, local, attributes);
      const indices = local.map((input) => input.node);
      const key = internKey(operation, indices, attributes, given);
      const existing = key === undefined ? undefined : interned.get(key);
      if (existing !== undefined) return tensor(existing);
      nodes.push({ operation, inputs: indices, attributes, shape: given.shape, dtype: given.dtype, ...(label === '' ? {} : { label }) } as Node);
      const node = nodes.length - 1;
      if (key !== undefined) interned.set(key, node);
      return tensor(node);
    },
    labelled(name, body) {
      const before = label;
      label = before === '' ? name : `${before}.${name}`;
      try {
        return body();
      } finally {
        label = before;
      }
    },
    capture(outer) {
      if (parent === undefined || outer.builder.depth > parent.depth) {
        throw new TesseraeError('graph-invalid', 'A tensor of another graph was used.', {
          remedy: 'Combine only tensors of one trace; values of a loop body leave it through its results.',
        });
      }
      const local = outer.builder === parent ? outer : parent.capture(outer);
      const known = captures.get(parent) ?? new Map<number, Tensor>();
      captures.set(parent, known);
      const existing = known.get(local.node);
      if (existing !== undefined) return existing;
      const inner = builder.add('input', [], { name: `captured.${captured.length}` }, { shape: local.shape, dtype: local.dtype });
      captured.push(local);
      known.set(local.node, inner);
      return inner;
    },
  };
  return builder;
}

/** The innermost of the inputs' builders: where an operation on them belongs. */
function innermost(inputs: readonly Tensor[]): GraphBuilder {
  const [first, ...rest] = inputs;
  if (first === undefined) {
    throw new TesseraeError('invalid-argument', 'An operation without inputs needs a trace scope.', { remedy: 'Use scope.literal, scope.iota or scope.input.' });
  }
  return rest.reduce((deepest, tensor) => (tensor.builder.depth > deepest.depth ? tensor.builder : deepest), first.builder);
}

/** Appends an operation to the trace its inputs belong to and gives its value. */
export function apply<O extends OperationName>(operation: O, inputs: readonly Tensor[], attributes: OperationAttributes[O]): Tensor {
  return innermost(inputs).add(operation, inputs, attributes);
}

/** A number, or an array, written into the graph itself. */
export function literal(builder: GraphBuilder, array: HostArray): Tensor {
  return builder.add('literal', [], { array });
}

export interface LoopResults {
  /** The carried values after the last iteration. */
  readonly carried: readonly Tensor[];
  /** Every iteration's value, `[count, …]`. */
  readonly stacked: readonly Tensor[];
}

/**
 * Runs `body` `count` times inside the graph. The body may use outer tensors freely: they are captured.
 * @example const { carried: [sum] } = loop(10, [zero], (iteration, [sum]) => ({ carried: [add(sum, x)] }));
 */
export function loop(
  scope: { readonly builder: GraphBuilder },
  count: number,
  initial: readonly Tensor[],
  body: (iteration: Tensor, carried: readonly Tensor[]) => { readonly carried: readonly Tensor[]; readonly stacked?: readonly Tensor[] },
): LoopResults {
  const outer = scope.builder;
  const inner = createGraphBuilder(outer);
  const iteration = inner.add('input', [], { name: 'iteration' }, { shape: [], dtype: 'int32' });
  const carriedIn = initial.map((value, index) => inner.add('input', [], { name: `carried.${index}` }, { shape: value.shape, dtype: value.dtype }));
  const { carried, stacked = [] } = body(iteration, carriedIn);
  const own = (value: Tensor): number => (value.builder === inner ? value : inner.capture(value)).node;
  const outputs: GraphOutput[] = [
    ...carried.map((value, index) => ({ name: `carried.${index}`, node: own(value) })),
    ...stacked.map((value, index) => ({ name: `stacked.${index}`, node: own(value) })),
  ];
  const graph: Graph = { name: 'loop', nodes: inner.nodes, outputs, updates: [] };
  const attributes = { body: graph, count, carried: initial.length };
  const node = outer.add('loop', [...initial, ...inner.captured], attributes);
  const results = loopResultTypes(attributes).map((type, index) => outer.add('loopResult', [node], { index }, type));
  return { carried: results.slice(0, initial.length), stacked: results.slice(initial.length) };
}

export type { DType, Shape };
