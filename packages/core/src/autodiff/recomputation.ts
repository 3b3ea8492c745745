import type { GraphBuilder, OperationAttributes, OperationName, Tensor } from '../graph/index.js';
import { add, less, reshape, slice, where } from '../ops/index.js';
import { sizeOf } from '../tensor/index.js';

/**
 * What the backward pass keeps of a chain of layers: the values between them, from the first layer's input to the last layer's result.
 * What lies between two entries is computed again from the earlier one.
 */
export type Checkpoints = readonly (readonly Tensor[])[];

/** Which values of the forward pass the backward pass reads as they are, and which it computes again. */
export interface Recomputation {
  /** A value of the forward pass for the gradient of `reader`. */
  read(node: number, reader: number): Tensor;
  /** Called before a node is pulled back, with the gradients known so far. */
  approach(node: number, gradients: ReadonlyMap<number, Tensor>): void;
}

/**
 * x, but only once all of `others` are there. Both branches of a selection are x, and what decides is taken from the others' numbers: no engine
 * can know the branch before, and none can merge the result with x, while any condition, also of NaN, gives x to the bit.
 */
export function afterAll(x: Tensor, others: readonly Tensor[]): Tensor {
  const elements = others.flatMap((other) => {
    if (other.dtype !== 'float32' || sizeOf(other.shape) === 0) return [];
    const first = slice(
      other,
      other.shape.map(() => 0),
      other.shape.map(() => 1),
    );
    return [reshape(first, [])];
  });
  const [first, ...rest] = elements;
  return first === undefined ? x : where(less(rest.reduce(add, first), 0), x, x);
}

/** Keeps everything. */
export function keepEverything(builder: GraphBuilder): Recomputation {
  return { read: (node) => builder.tensor(node), approach: () => undefined };
}

interface Segment {
  /** The checkpoint that it begins at, and by node what stands for each of its values in the second computation. */
  readonly start: readonly Tensor[];
  readonly first: number;
  readonly end: number;
  readonly again: Map<number, Tensor>;
  /** Whether a value of the segment depends on its checkpoint; what does not is not computed again. */
  readonly depends: Set<number>;
}

/**
 * Segments of the trace lie between the last value of one checkpoint and that of the next, which relies on layers being traced one after the other.
 * A segment is computed again when its result's gradient and all gradients of the layers behind are there, so that only one layer's inner values
 * live at a time in whatever order an engine walks the graph.
 */
export function recomputeBetween(builder: GraphBuilder, checkpoints: Checkpoints): Recomputation {
  const lastOf = (tensors: readonly Tensor[]): number => Math.max(-1, ...tensors.map(({ node }) => node));
  const segments: Segment[] = [];
  for (const [index, start] of checkpoints.slice(0, -1).entries()) {
    const [first, end] = [lastOf(start), lastOf(checkpoints[index + 1] ?? [])];
    const depends = new Set(start.map(({ node }) => node));
    for (let node = first + 1; node <= end; node += 1) if (builder.nodes[node]?.inputs.some((input) => depends.has(input))) depends.add(node);
    segments.push({ start, first, end, again: new Map(), depends });
  }
  const segmentOf = (node: number): Segment | undefined => segments.find(({ first, end }) => node > first && node <= end);
  const seen = new Map<number, number>();
  let current: Segment | undefined;

  const again = (segment: Segment, index: number): Tensor => {
    const known = segment.again.get(index);
    if (known !== undefined) return known;
    const node = builder.nodes[index];
    // Loops keep what they need themselves (`loop-gradient.ts`).
    if (node === undefined || !segment.depends.has(index) || node.operation === 'loop' || node.operation === 'loopResult') return builder.tensor(index);
    const inputs = node.inputs.map((input) => again(segment, input));
    const copy = (): Tensor => builder.add(node.operation as OperationName, inputs, node.attributes as OperationAttributes[OperationName], node);
    const made = node.label === undefined ? copy() : builder.labelled(node.label, copy);
    segment.again.set(index, made);
    return made;
  };

  return {
    read(node, reader) {
      const segment = segmentOf(reader);
      return segment === undefined ? builder.tensor(node) : again(segment, node);
    },
    approach(node, gradients) {
      const segment = segmentOf(node);
      if (segment === undefined || segment === current) return;
      current = segment;
      const fresh = Array.from(gradients).flatMap(([source, gradient]) => (seen.get(source) === gradient.node ? [] : [gradient]));
      for (const [source, gradient] of gradients) seen.set(source, gradient.node);
      for (const value of segment.start) segment.again.set(value.node, afterAll(value, fresh));
    },
  };
}
