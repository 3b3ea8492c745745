import type { DType, Shape, TensorType } from '../tensor/index.js';
import type { OperationAttributes, OperationName } from './operations.js';

/**
 * One value and how it is computed. `inputs` are indices of earlier nodes: a graph is topologically ordered by
 * construction. A `loop` node has no value of its own (its type is a placeholder); `loopResult` nodes read its results.
 */
export type NodeOf<O extends OperationName> = {
  readonly operation: O;
  readonly inputs: readonly number[];
  readonly attributes: OperationAttributes[O];
  readonly shape: Shape;
  readonly dtype: DType;
  /** Where in the model this comes from (`blocks.0.attention`), for printing and profiles. */
  readonly label?: string;
};

export type Node = { [O in OperationName]: NodeOf<O> }[OperationName];

/** A named result: the value of node `node`. */
export interface GraphOutput {
  readonly name: string;
  readonly node: number;
}

/**
 * A traced computation: plain data with static shapes. Inputs, state and constants are leaf nodes, told apart by their
 * operation. `updates` are state values written after the run: name of the state → node with its new value.
 */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly outputs: readonly GraphOutput[];
  readonly updates: readonly GraphOutput[];
}

export type LeafKind = 'input' | 'state' | 'constant';

/** A named leaf and its type. */
export interface NamedType extends TensorType {
  readonly name: string;
}

/** The leaves of one kind in order of appearance. Constants are also looked for in loop bodies. */
export function leavesOf(graph: Graph, kind: LeafKind): NamedType[] {
  const found = new Map<string, NamedType>();
  const visit = (inner: Graph, nested: boolean): void => {
    for (const node of inner.nodes) {
      if (node.operation === kind && !(nested && kind === 'input')) {
        const { name } = node.attributes as OperationAttributes[LeafKind];
        if (!found.has(name)) found.set(name, { name, shape: node.shape, dtype: node.dtype });
      } else if (node.operation === 'loop') {
        visit(node.attributes.body, true);
      }
    }
  };
  visit(graph, false);
  return [...found.values()];
}

/** The node at an index. @throws RangeError on a graph that was not verified. */
export function nodeAt(graph: Pick<Graph, 'nodes'>, index: number): Node {
  const node = graph.nodes[index];
  if (node === undefined) throw new RangeError(`graph has no node %${index}`);
  return node;
}

/** Types of a loop's results: carried values first, then the stacked ones with the iteration count in front. */
export function loopResultTypes(attributes: OperationAttributes['loop']): TensorType[] {
  const { body, count, carried } = attributes;
  return body.outputs.map((output, index) => {
    const { shape, dtype } = nodeAt(body, output.node);
    return { shape: index < carried ? shape : [count, ...shape], dtype };
  });
}
