import { createGraphBuilder, type Graph, type GraphBuilder, type Node, nodeAt, type OperationAttributes, type OperationName, type Tensor, verifyGraph } from '../graph/index.js';

/** Gives a node's replacement, or undefined to keep it. `inputs` are the already rewritten inputs. */
export type NodeRewrite = (node: Node, inputs: readonly Tensor[], builder: GraphBuilder) => Tensor | undefined;

/**
 * Rebuilds the part of a graph that its results need, node by node, asking `rewrite` for replacements; loop bodies are
 * rebuilt the same way. Dead nodes fall away and equal nodes become one, because the builder interns them.
 */
export function rewriteGraph(graph: Graph, rewrite: NodeRewrite): Graph {
  const builder = createGraphBuilder();
  const rebuilt = new Map<number, Tensor>();
  const needed = neededNodes(graph);
  graph.nodes.forEach((node, index) => {
    // A loop body keeps all its inputs: they are its signature.
    if (!needed.has(index) && node.operation !== 'input') return;
    const inputs = node.inputs.map((input) => {
      const tensor = rebuilt.get(input);
      if (tensor === undefined) throw new RangeError(`node %${input} was not rebuilt`);
      return tensor;
    });
    rebuilt.set(index, rewrite(node, inputs, builder) ?? copyNode(node, inputs, builder, rewrite));
  });
  const results = (list: Graph['outputs']): Graph['outputs'] => list.map(({ name, node }) => ({ name, node: rebuilt.get(node)?.node ?? -1 }));
  return verifyGraph({ name: graph.name, nodes: builder.nodes, outputs: results(graph.outputs), updates: results(graph.updates) });
}

function copyNode(node: Node, inputs: readonly Tensor[], builder: GraphBuilder, rewrite: NodeRewrite): Tensor {
  const type = { shape: node.shape, dtype: node.dtype };
  const copy = (): Tensor => {
    if (node.operation === 'loop') {
      return builder.add('loop', inputs, { ...node.attributes, body: rewriteGraph(node.attributes.body, rewrite) });
    }
    return builder.add(node.operation as OperationName, inputs, node.attributes as OperationAttributes[OperationName], type);
  };
  return node.label === undefined ? copy() : builder.labelled(node.label, copy);
}

/** Nodes that a result or a state update depends on. */
export function neededNodes(graph: Graph): Set<number> {
  const needed = new Set<number>();
  const visit = (index: number): void => {
    const stack = [index];
    for (let current = stack.pop(); current !== undefined; current = stack.pop()) {
      if (needed.has(current)) continue;
      needed.add(current);
      stack.push(...nodeAt(graph, current).inputs);
    }
  };
  for (const { node } of [...graph.outputs, ...graph.updates]) visit(node);
  return needed;
}
