import { TesseraeError } from '../errors/index.js';
import { formatShape, sameShape, type TensorType } from '../tensor/index.js';
import { type Graph, leavesOf, loopResultTypes, type Node, type NodeOf, nodeAt } from './graph.js';
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

const typeText = ({ dtype, shape }: TensorType): string => `${dtype} ${formatShape(shape)}`;
const sameType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);

/** Whether a loop passes its body what the body takes: the problem, or undefined. */
function loopProblem(graph: Graph, node: NodeOf<'loop'>): string | undefined {
  const { body, carried } = node.attributes;
  const takes = new Map(body.nodes.flatMap((inner) => (inner.operation === 'input' ? [[inner.attributes.name, inner] as const] : [])));
  const captured = [...takes.keys()].filter((name) => name.startsWith('captured.')).length;
  if (captured !== node.inputs.length - carried) return `passes ${node.inputs.length - carried} captured values to a body that takes ${captured}.`;
  for (const [position, input] of node.inputs.entries()) {
    const name = position < carried ? `carried.${position}` : `captured.${position - carried}`;
    const [given, taken] = [nodeAt(graph, input), takes.get(name)];
    // A body need not read all that it carries.
    if (taken !== undefined && !sameType(given, taken)) return `passes ${typeText(given)} to its body's '${name}', which is ${typeText(taken)}.`;
  }
  return undefined;
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
      const problem = loopProblem(graph, node);
      if (problem !== undefined) fail(`loop %${index} ${problem}`);
    }
    const loop = node.operation === 'loopResult' ? undefined : node.inputs.find((input) => nodeAt(graph, input).operation === 'loop');
    if (loop !== undefined) fail(`node %${index} (${node.operation}) reads loop %${loop}, which has no value of its own.`);
    let expected: TensorType | undefined;
    try {
      expected = expectedType(graph, node);
    } catch (cause) {
      fail(`node %${index} (${node.operation}) is impossible: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
    }
    if (expected !== undefined && !sameType(expected, node)) fail(`node %${index} (${node.operation}) says ${typeText(node)} but is ${typeText(expected)}.`);
  });
  const states = new Map(leavesOf(graph, 'state').map((leaf) => [leaf.name, leaf] as const));
  for (const results of [graph.outputs, graph.updates]) {
    const names = new Set<string>();
    for (const { name, node } of results) {
      const value = graph.nodes[node];
      if (value === undefined) return fail(`result '${name}' is node %${node}, which does not exist.`);
      if (value.operation === 'loop') fail(`result '${name}' is loop %${node}, which has no value of its own.`);
      if (names.has(name)) fail(`result '${name}' is given twice.`);
      names.add(name);
      if (results !== graph.updates) continue;
      const state = states.get(name);
      // A state that is only written may have lost its leaf as a dead node.
      if (state !== undefined && !sameType(value, state)) fail(`update '${name}' is ${typeText(value)}, the state ${typeText(state)}.`);
    }
  }
  return graph;
}
