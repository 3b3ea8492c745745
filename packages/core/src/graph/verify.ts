import { TesseraeError } from '../errors/index.js';
import { formatShape, sameShape, type TensorType } from '../tensor/index.js';
import { type Graph, loopResultTypes, type Node, nodeAt } from './graph.js';
import { inferType } from './infer-type.js';
import type { OperationAttributes, OperationName } from './operations.js';

function expectedType(graph: Graph, node: Node): TensorType {
  if (node.operation === 'input' || node.operation === 'state' || node.operation === 'constant') return node;
  if (node.operation === 'loopResult') {
    const producer = nodeAt(graph, node.inputs[0] ?? -1);
    const type = producer.operation === 'loop' ? loopResultTypes(producer.attributes)[node.attributes.index] : undefined;
    if (type === undefined)
      throw new TesseraeError('graph-invalid', 'loopResult does not read a result of a loop.', { remedy: 'This is a fault of the pass that made the graph.' });
    return type;
  }
  const inputs = node.inputs.map((index) => nodeAt(graph, index));
  return inferType(node.operation as OperationName, inputs, node.attributes as OperationAttributes[OperationName]);
}

/**
 * Checks that every node only reads earlier ones and has the type its rule gives, and that results exist.
 * Run after each pass: a pass that breaks a graph is found at the pass. Gives the graph back.
 * @throws TesseraeError `graph-invalid`, naming the node.
 */
export function verifyGraph(graph: Graph): Graph {
  const fail = (problem: string, cause?: unknown): never => {
    throw new TesseraeError('graph-invalid', `Graph '${graph.name}': ${problem}`, {
      remedy: 'This is a fault of the pass or the trace that made it; print the graph to see more.',
      cause,
    });
  };
  graph.nodes.forEach((node, index) => {
    if (node.inputs.some((input) => !Number.isInteger(input) || input < 0 || input >= index)) {
      fail(`node %${index} (${node.operation}) reads a node that does not come before it.`);
    }
    if (node.operation === 'loop') {
      verifyGraph(node.attributes.body);
      const declared = node.attributes.body.nodes.filter((inner) => inner.operation === 'input' && inner.attributes.name.startsWith('captured.')).length;
      if (declared !== node.inputs.length - node.attributes.carried)
        fail(`loop %${index} passes ${node.inputs.length - node.attributes.carried} captured values to a body that takes ${declared}.`);
    }
    let expected: TensorType | undefined;
    try {
      expected = expectedType(graph, node);
    } catch (cause) {
      fail(`node %${index} (${node.operation}) is impossible: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
    }
    if (expected !== undefined && (expected.dtype !== node.dtype || !sameShape(expected.shape, node.shape))) {
      fail(`node %${index} (${node.operation}) says ${node.dtype} ${formatShape(node.shape)} but is ${expected.dtype} ${formatShape(expected.shape)}.`);
    }
  });
  for (const output of [...graph.outputs, ...graph.updates]) {
    if (graph.nodes[output.node] === undefined) fail(`result '${output.name}' is node %${output.node}, which does not exist.`);
  }
  return graph;
}
