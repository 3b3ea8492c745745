import type { GraphBuilder, OperationAttributes, OperationName, Tensor } from '../graph/index.js';
import { add, less, multiply, reshape, slice, where } from '../ops/index.js';
import { sizeOf } from '../tensor/index.js';
import { isCheap, type Recompute } from './cheap-values.js';

/** The values between the layers of a chain that were traced one after the other, from the first layer's input to the last layer's result. */
export type Checkpoints = readonly (readonly Tensor[])[];

/** How the walk back goes through layers. */
export interface LayerWalk {
  /** A value of the forward pass for the gradient of `reader`: itself, or computed again. */
  read(node: number, reader: number): Tensor;
  /** Called before a node is pulled back, with the gradients known so far. */
  approach(node: number, gradients: Map<number, Tensor>): void;
}

/**
 * One, but only once all of `others` are there. Both branches of a selection are one, and what decides is taken from the others' numbers: no engine
 * can know the branch before. Undefined where there is nothing to wait for.
 */
function oneAfter(others: readonly Tensor[]): Tensor | undefined {
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
  return first === undefined ? undefined : where(less(rest.reduce(add, first), 0), 1, 1);
}

/** x, float32, but only once all of `others` are there: times a one that waits for them, which no engine can merge with x, and which is x to the bit, also of NaN. */
export function afterAll(x: Tensor, others: readonly Tensor[]): Tensor {
  const one = oneAfter(others);
  return one === undefined ? x : multiply(x, one);
}

/** Everything is kept, in whatever order. */
export function plainWalk(builder: GraphBuilder): LayerWalk {
  return { read: (node) => builder.tensor(node), approach: () => undefined };
}

interface Segment {
  /** The checkpoints that it lies between, and the last nodes of them. */
  readonly start: readonly Tensor[];
  readonly result: readonly Tensor[];
  readonly first: number;
  readonly end: number;
  /** By node what stands for it in the second computation. */
  readonly again: Map<number, Tensor>;
  /** Whether a value of the segment depends on its checkpoint; what does not is not computed again. */
  readonly depends: Set<number>;
  /** What the second computation waits with, once it is known. */
  one: Tensor | undefined;
}

/**
 * Goes back layer by layer, where a layer is what was traced between two checkpoints. It is entered when the gradients of all weights behind it are
 * there. Otherwise an engine may leave those to the end, as ONNX Runtime does, and all that they are made of lives till then.
 *
 * With `recompute`, a layer's inner values are computed again from its checkpoint at that time, so that those of one layer live at once; those that are
 * cheap (`isCheap`) also from others that are kept.
 */
export function walkByLayers(builder: GraphBuilder, checkpoints: Checkpoints, recompute: Recompute): LayerWalk {
  const lastOf = (tensors: readonly Tensor[]): number => Math.max(-1, ...tensors.map(({ node }) => node));
  const segments: Segment[] = [];
  for (const [index, start] of checkpoints.slice(0, -1).entries()) {
    const result = checkpoints[index + 1] ?? [];
    const [first, end] = [lastOf(start), lastOf(result)];
    const depends = new Set(start.map(({ node }) => node));
    for (let node = first + 1; node <= end; node += 1) if (builder.nodes[node]?.inputs.some((input) => depends.has(input))) depends.add(node);
    segments.push({ start, result, first, end, again: new Map(), depends, one: undefined });
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
    if (recompute === 'cheap' && !isCheap(node, builder.nodes)) return builder.tensor(index);
    const inputs = node.inputs.map((input) => again(segment, input));
    // Made of kept values only it would be the very same value as before: the smallest of them waits.
    if (inputs.every(({ node: input }, position) => input === node.inputs[position])) {
      const [smallest] = inputs.filter(({ dtype }) => dtype === 'float32').sort((one, other) => sizeOf(one.shape) - sizeOf(other.shape));
      if (smallest === undefined || segment.one === undefined) return builder.tensor(index);
      const waiting = multiply(smallest, segment.one);
      inputs.forEach((input, position) => {
        if (input.node === smallest.node) inputs[position] = waiting;
      });
    }
    const copy = (): Tensor => builder.add(node.operation as OperationName, inputs, node.attributes as OperationAttributes[OperationName], node);
    const made = node.label === undefined ? copy() : builder.labelled(node.label, copy);
    segment.again.set(index, made);
    return made;
  };

  return {
    read(node, reader) {
      const segment = segmentOf(reader);
      // Attention over everything is opened for its gradient: its products would be computed again with what they read.
      const opened = recompute === 'cheap' && builder.nodes[reader]?.operation === 'attention';
      return recompute !== 'none' && segment !== undefined && !opened ? again(segment, node) : builder.tensor(node);
    },
    approach(node, gradients) {
      const segment = segmentOf(node);
      if (segment === undefined || segment === current) return;
      current = segment;
      const fresh = Array.from(gradients).flatMap(([source, gradient]) => (seen.get(source) === gradient.node ? [] : [gradient]));
      for (const [source, gradient] of gradients) seen.set(source, gradient.node);
      if (recompute !== 'none') {
        segment.one = oneAfter(fresh);
        for (const value of segment.start) segment.again.set(value.node, segment.one === undefined ? value : multiply(value, segment.one));
      }
      if (recompute === 'all') return;
      for (const { node: end } of segment.result) {
        const gradient = gradients.get(end);
        if (gradient === undefined) continue;
        const waiting = afterAll(
          gradient,
          fresh.filter((other) => other.node !== gradient.node),
        );
        gradients.set(end, waiting);
        seen.set(end, waiting.node);
      }
    },
  };
}
