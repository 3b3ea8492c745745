import type { Backend, StateStore } from '../backend/backend.js';
import { createGraphBuilder, type Graph, type Node, nodeAt, type OperationAttributes, type OperationName, type Tensor, verifyGraph } from '../graph/index.js';
import { absolute, cast, concat, equal, lessOrEqual, logicalNot, reduceSum, reshape } from '../ops/index.js';
import { neededNodes } from '../passes/index.js';
import { formatShape, type HostArray } from '../tensor/index.js';

/** The largest float32. NaN and both infinities fail to be at most this large, on every engine alike. */
const largest = 3.4028234663852886e38;

const finite = (x: Tensor): Tensor => lessOrEqual(absolute(x), largest);

/** A bool scalar: whether the float32 scalar is neither NaN nor infinite. */
export const isFiniteScalar = finite;

interface Examined {
  readonly graph: Graph;
  /** Nodes of the examined graph in the order of the computation: one number each in the results `infinite` and `nan`. */
  readonly nodes: readonly number[];
}

/** A graph that does the same and gives, of every float32 value on the way to the results, how much of it is not finite. */
function examine(graph: Graph): Examined {
  const builder = createGraphBuilder();
  const needed = neededNodes({ ...graph, updates: [] });
  const copies = new Map<number, Tensor>();
  const nodes: number[] = [];
  const [infinite, nan]: [Tensor[], Tensor[]] = [[], []];
  const count = (condition: Tensor): Tensor => reshape(reduceSum(cast(condition, 'float32')), [1]);
  graph.nodes.forEach((node, index) => {
    if (!needed.has(index)) return;
    const inputs = node.inputs.flatMap((input) => copies.get(input) ?? []);
    const copy = builder.add(node.operation as OperationName, inputs, node.attributes as OperationAttributes[OperationName], { shape: node.shape, dtype: node.dtype });
    copies.set(index, copy);
    if (node.dtype !== 'float32' || node.operation === 'loop') return;
    nodes.push(index);
    infinite.push(count(logicalNot(finite(copy))));
    nan.push(count(logicalNot(equal(copy, copy))));
  });
  const outputs = [
    { name: 'infinite', node: concat(infinite, 0).node },
    { name: 'nan', node: concat(nan, 0).node },
  ];
  return { graph: verifyGraph({ name: `${graph.name}, examined`, nodes: builder.nodes, outputs, updates: [] }), nodes };
}

/** The weight or the input that a value was computed from last: what people know their model by. */
function nearestLeaf(graph: Graph, from: number): string | undefined {
  const seen = new Set([from]);
  for (let front = [from]; front.length > 0; ) {
    const next: number[] = [];
    for (const index of front) {
      const node = nodeAt(graph, index);
      if (node.operation === 'state' || node.operation === 'input') return node.attributes.name;
      for (const input of node.inputs) if (!seen.has(input)) next.push(input);
    }
    for (const index of next) seen.add(index);
    front = next;
  }
  return undefined;
}

function describe(graph: Graph, index: number, names: ReadonlyMap<number, string>): string {
  const node: Node = nodeAt(graph, index);
  if (node.operation === 'state' || node.operation === 'input') return `the ${node.operation} '${node.attributes.name}'`;
  const own = names.get(index) ?? graph.outputs.find((output) => output.node === index)?.name;
  if (own !== undefined) return `'${own}'`;
  const leaf = nearestLeaf(graph, index);
  return `the ${node.operation} of ${formatShape(node.shape)}${leaf === undefined ? '' : ` computed from '${leaf}'`}`;
}

export interface ExamineOptions {
  readonly backend: Backend;
  readonly graph: Graph;
  readonly store: StateStore;
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** What nodes are called, beside leaves and results. */
  readonly names?: ReadonlyMap<number, string>;
}

/**
 * Runs a graph once more with eyes on every value and says, for people, which of them was the first in the order of the
 * computation to be no number any more; undefined when all are finite. An infinity that harms nothing (a mask's) is passed over
 * where a NaN follows from something else.
 */
export async function firstNonFinite({ backend, graph, store, inputs, names = new Map() }: ExamineOptions): Promise<string | undefined> {
  const examined = examine(graph);
  const program = await backend.compile(examined.graph, { state: store });
  try {
    const { infinite, nan } = await program.run(inputs);
    const bad = new Set(examined.nodes.filter((_, position) => (infinite?.data[position] ?? 0) > 0));
    const first = examined.nodes.find((_, position) => (nan?.data[position] ?? 0) > 0) ?? [...bad][0];
    if (first === undefined) return undefined;
    // The first NaN may come from an infinity: back to where that began.
    let origin = first;
    for (;;) {
      const before = nodeAt(graph, origin).inputs.find((input) => bad.has(input));
      if (before === undefined) return describe(graph, origin, names);
      origin = before;
    }
  } finally {
    program.dispose();
  }
}
