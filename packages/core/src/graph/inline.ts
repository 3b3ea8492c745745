import { TesseraeError } from '../errors/index.js';
import type { GraphBuilder, Tensor } from './builder.js';
import type { Graph } from './graph.js';
import type { OperationAttributes, OperationName } from './operations.js';

/** Copies a graph's nodes into a trace, with its inputs replaced by tensors; gives the results by name. */
export function inlineGraph(builder: GraphBuilder, graph: Graph, inputs: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const copies: Tensor[] = [];
  for (const node of graph.nodes) {
    if (node.operation === 'input') {
      const given = inputs.get(node.attributes.name);
      if (given === undefined)
        throw new TesseraeError('graph-invalid', `Input '${node.attributes.name}' of graph '${graph.name}' is missing.`, { remedy: 'Pass a tensor for each input.' });
      copies.push(given.builder === builder ? given : builder.capture(given));
      continue;
    }
    const own = node.inputs.map((index) => copies[index]).filter((tensor): tensor is Tensor => tensor !== undefined);
    copies.push(builder.add(node.operation as OperationName, own, node.attributes as OperationAttributes[OperationName], { shape: node.shape, dtype: node.dtype }));
  }
  const results = new Map<string, Tensor>();
  for (const { name, node } of graph.outputs) {
    const copy = copies[node];
    if (copy !== undefined) results.set(name, copy);
  }
  return results;
}
