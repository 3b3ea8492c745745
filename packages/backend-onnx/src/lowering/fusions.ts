import { type Graph, type NodeOf, nodeAt } from '@tesserae/core';

/** One slice of several that cut a value up along one axis. */
export interface SplitPart {
  readonly source: number;
  readonly axis: number;
  /** Lengths of all parts, in order. */
  readonly sizes: readonly number[];
  readonly part: number;
}

/** A product [rows, in]·[out, in]ᵀ + bias [out]. */
export interface BiasedProduct {
  readonly a: number;
  readonly b: number;
  readonly bias: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Nodes of a graph that ONNX has one operator for. In a decode loop an operator costs what it takes to start, not to compute. */
export interface Fusions {
  /** By the index of a slice. */
  readonly splits: ReadonlyMap<number, SplitPart>;
  /** By the index of an addition. */
  readonly biasedProducts: ReadonlyMap<number, BiasedProduct>;
  /** Products that are made by a node above. */
  readonly absorbed: ReadonlySet<number>;
}

/** The axis that a slice cuts, when it is one and its step is 1. */
function cutAxis(graph: Graph, node: NodeOf<'slice'>): number | undefined {
  const { shape } = nodeAt(graph, node.inputs[0] ?? 0);
  const axes = shape.flatMap((length, axis) => (node.attributes.sizes[axis] === length ? [] : [axis]));
  const [axis] = axes;
  return axes.length === 1 && axis !== undefined && node.attributes.strides[axis] === 1 ? axis : undefined;
}

function findSplits(graph: Graph): Map<number, SplitPart> {
  const groups = new Map<
    string,
    { readonly source: number; readonly axis: number; readonly members: { readonly index: number; readonly start: number; readonly size: number }[] }
  >();
  graph.nodes.forEach((node, index) => {
    if (node.operation !== 'slice') return;
    const axis = cutAxis(graph, node);
    const [source] = node.inputs;
    if (axis === undefined || source === undefined) return;
    const key = `${source}|${axis}`;
    const group = groups.get(key) ?? { source, axis, members: [] };
    group.members.push({ index, start: node.attributes.starts[axis] ?? 0, size: node.attributes.sizes[axis] ?? 0 });
    groups.set(key, group);
  });
  const splits = new Map<number, SplitPart>();
  for (const { source, axis, members } of groups.values()) {
    const { shape } = nodeAt(graph, source);
    members.sort((one, other) => one.start - other.start);
    let end = 0;
    const gapless = members.every(({ start, size }) => {
      const fits = start === end && size > 0;
      end += size;
      return fits;
    });
    if (!gapless || members.length < 2 || end !== shape[axis] || shape.includes(0)) continue;
    const sizes = members.map(({ size }) => size);
    members.forEach(({ index }, part) => {
      splits.set(index, { source, axis, sizes, part });
    });
  }
  return splits;
}

/** Finds them. `graph` is prepared: verified, without dead nodes. */
export function findFusions(graph: Graph): Fusions {
  const uses = new Map<number, number>();
  const use = (value: number): void => {
    uses.set(value, (uses.get(value) ?? 0) + 1);
  };
  for (const { inputs } of graph.nodes) inputs.forEach(use);
  for (const { node } of [...graph.outputs, ...graph.updates]) use(node);

  const biasedProducts = new Map<number, BiasedProduct>();
  const absorbed = new Set<number>();
  graph.nodes.forEach((node, index) => {
    if (node.operation !== 'add' || node.shape.length !== 2 || node.shape.some((length) => length === 0)) return;
    for (const [product, bias] of [node.inputs, [...node.inputs].reverse()] as const) {
      if (product === undefined || bias === undefined || uses.get(product) !== 1) continue;
      const inner = nodeAt(graph, product);
      const [a, b] = inner.inputs;
      if (inner.operation !== 'matMul' || a === undefined || b === undefined || nodeAt(graph, bias).shape.length !== 1) continue;
      if (nodeAt(graph, a).shape.length !== 2 || nodeAt(graph, b).shape.length !== 2 || nodeAt(graph, a).shape.includes(0)) continue;
      if (nodeAt(graph, bias).shape[0] !== node.shape[1] || inner.shape[0] !== node.shape[0] || inner.shape[1] !== node.shape[1]) continue;
      biasedProducts.set(index, { a, b, bias, ...inner.attributes });
      absorbed.add(product);
      return;
    }
  });
  return { splits: findSplits(graph), biasedProducts, absorbed };
}
