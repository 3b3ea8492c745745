import { type CompositeName, type Graph, loopResultTypes, type Node, type OperationName } from '../graph/index.js';
import { prepareGraph } from '../passes/index.js';
import { bytesPerElement, type Shape, sizeOf, type TensorType } from '../tensor/index.js';

/** A computed value that holds memory at the peak. */
export interface LiveValue {
  readonly operation: OperationName;
  readonly shape: Shape;
  readonly bytes: number;
  /** The state it will be after the run. */
  readonly update?: string;
  /** What `MemoryOptions.marks` calls it. */
  readonly mark?: string;
}

/** The memory one run of a graph needs. */
export interface MemoryUse {
  /** Bytes of what the graph reads, by kind; each leaf once. */
  readonly leaves: Readonly<Record<'input' | 'state' | 'constant' | 'literal', number>>;
  /** Most bytes of computed values that are needed at the same time. */
  readonly peak: number;
  /** Those values, largest first. Inside a loop's body only the sum is told, as the loop's own value. */
  readonly alive: readonly LiveValue[];
}

export interface MemoryOptions {
  /** Composites that the engine runs whole. Default: none. */
  readonly composites?: ReadonlySet<CompositeName>;
  /** Names for some of the graph's nodes, e.g. `TrainingStep.gradientNames`. */
  readonly marks?: ReadonlyMap<number, string>;
}

export function bytesOf({ shape, dtype }: TensorType): number {
  return sizeOf(shape) * bytesPerElement[dtype];
}

/** Operations whose value may take the place of an operand that nobody reads any more, as engines do: one element depends on one. */
const inPlace: ReadonlySet<OperationName> = new Set<OperationName>([
  'negate',
  'absolute',
  'sign',
  'exp',
  'log',
  'sqrt',
  'sin',
  'cos',
  'tanh',
  'erf',
  'sigmoid',
  'floor',
  'add',
  'subtract',
  'multiply',
  'divide',
  'maximum',
  'minimum',
  'power',
  'relu',
  'softmax',
  'normalisedExp',
  'logSoftmax',
]);

/** Operations that name a value anew. */
const views: ReadonlySet<OperationName> = new Set<OperationName>(['reshape', 'stopGradient', 'loopResult']);

type LeafNode = Extract<Node, { operation: keyof MemoryUse['leaves'] }>;

const isLeaf = (node: Node): node is LeafNode => node.operation === 'input' || node.operation === 'state' || node.operation === 'constant' || node.operation === 'literal';

/** One buffer: the values that lie in it one after another. */
interface Buffer {
  readonly bytes: number;
  /** The node after which nobody reads it; Infinity for results. */
  end: number;
}

/** Buffers of a graph's values by node; undefined for leaves and what only names them anew. */
function assignBuffers(graph: Graph): (Buffer | undefined)[] {
  const root = graph.nodes.map((_, index) => index);
  const end = graph.nodes.map((_, index) => index);
  graph.nodes.forEach((node, index) => {
    const [source] = node.inputs;
    if (views.has(node.operation) && source !== undefined) root[index] = root[source] ?? source;
    for (const input of node.inputs) end[root[input] ?? input] = index;
  });
  for (const { node } of [...graph.outputs, ...graph.updates]) end[root[node] ?? node] = Number.POSITIVE_INFINITY;
  const buffers: (Buffer | undefined)[] = [];
  graph.nodes.forEach((node, index) => {
    const source = root[index] ?? index;
    if (source !== index) {
      buffers.push(buffers[source]);
      return;
    }
    if (isLeaf(node)) {
      buffers.push(undefined);
      return;
    }
    const bytes = node.operation === 'loop' ? loopResultTypes(node.attributes).reduce((sum, type) => sum + bytesOf(type), 0) : bytesOf(node);
    const replaced = inPlace.has(node.operation) ? node.inputs.map((input) => buffers[input]).find((buffer) => buffer?.end === index && buffer.bytes === bytes) : undefined;
    if (replaced !== undefined) replaced.end = end[index] ?? index;
    buffers.push(replaced ?? { bytes, end: end[index] ?? index });
  });
  return buffers;
}

/** The peak of computed values and the node it is at; `inBody` is what a loop there needs beside its results. */
function findPeak(graph: Graph, buffers: readonly (Buffer | undefined)[]): { readonly peak: number; readonly at: number; readonly inBody: number } {
  const ending = new Map<number, Buffer[]>();
  for (const buffer of new Set(buffers)) if (buffer !== undefined) ending.set(buffer.end, [...(ending.get(buffer.end) ?? []), buffer]);
  let best = { peak: 0, at: -1, inBody: 0 };
  let alive = 0;
  const begun = new Set<Buffer>();
  graph.nodes.forEach((node, index) => {
    const buffer = buffers[index];
    if (buffer !== undefined && !begun.has(buffer)) {
      begun.add(buffer);
      alive += buffer.bytes;
    }
    const inBody = node.operation === 'loop' ? findPeak(node.attributes.body, assignBuffers(node.attributes.body)).peak : 0;
    if (alive + inBody > best.peak) best = { peak: alive + inBody, at: index, inBody };
    for (const { bytes } of ending.get(index) ?? []) alive -= bytes;
  });
  return best;
}

function leafBytes(graph: Graph): MemoryUse['leaves'] {
  const leaves = { input: 0, state: 0, constant: 0, literal: 0 };
  const visit = ({ nodes }: Graph, nested: boolean): void => {
    for (const node of nodes) {
      if (node.operation === 'loop') visit(node.attributes.body, true);
      else if (isLeaf(node) && !(nested && node.operation === 'input')) leaves[node.operation] += bytesOf(node);
    }
  };
  visit(graph, false);
  return leaves;
}

/**
 * The memory of one run by liveness: values are computed in the graph's order and dropped when nobody reads them any more,
 * elementwise operations work in place, results (outputs and new states) stay to the end. What an engine keeps beyond that
 * (workspaces, fragments, other orders) is its own.
 */
export function memoryUse(graph: Graph, { composites = new Set(), marks = new Map() }: MemoryOptions = {}): MemoryUse {
  // Marked nodes go through preparation as results, so that they are found again, and are none afterwards.
  const marked = Array.from(marks, ([node, name]) => ({ name, node }));
  const { outputs, ...rest } = prepareGraph({ ...graph, outputs: [...graph.outputs, ...marked.map(({ node }, index) => ({ name: `mark:${index}`, node }))] }, { composites });
  const prepared: Graph = { ...rest, outputs: outputs.slice(0, graph.outputs.length) };
  const markOf = new Map(outputs.slice(graph.outputs.length).map(({ node }, index) => [node, marked[index]?.name ?? ''] as const));
  const updateOf = new Map(prepared.updates.map(({ name, node }) => [node, name] as const));

  const buffers = assignBuffers(prepared);
  const { peak, at, inBody } = findPeak(prepared, buffers);
  const alive = new Map<Buffer, LiveValue>();
  prepared.nodes.slice(0, at + 1).forEach((node, index) => {
    const buffer = buffers[index];
    // The last value in a buffer is what it holds; a buffer that ends before the peak is free by then.
    if (buffer === undefined || buffer.end < at) return;
    const [mark, update] = [markOf.get(index), updateOf.get(index)];
    const bytes = buffer.bytes + (index === at ? inBody : 0);
    const known = alive.get(buffer);
    const named = { ...(mark === undefined ? {} : { mark }), ...(update === undefined ? {} : { update }) };
    alive.set(buffer, views.has(node.operation) && known !== undefined ? { ...known, ...named } : { operation: node.operation, shape: node.shape, bytes, ...named });
  });
  return { leaves: leafBytes(prepared), peak, alive: [...alive.values()].sort((one, other) => other.bytes - one.bytes) };
}
