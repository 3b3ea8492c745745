import { type Graph, nodeAt } from '@tesserae/core';

/** A state update that writes a part of the state over another and leaves the rest: the state need not be made anew. */
export interface SliceUpdate {
  /** Node of the part. */
  readonly part: number;
  /** Node of the int32 scalar that tells where it begins along `axis`. */
  readonly start: number;
  readonly axis: number;
}

/** The updates of a graph that are such, by the state's name. `graph` is prepared. */
export function findSliceUpdates(graph: Graph): ReadonlyMap<string, SliceUpdate> {
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  for (const { node } of graph.outputs) read.add(node);
  const found = new Map<string, SliceUpdate>();
  const written = new Map<number, number>();
  for (const { node } of graph.updates) written.set(node, (written.get(node) ?? 0) + 1);
  for (const { name, node: index } of graph.updates) {
    const node = nodeAt(graph, index);
    const [whole, part, start] = node.inputs;
    // The whole new value is wanted nowhere else.
    if (node.operation !== 'replaceSlice' || read.has(index) || written.get(index) !== 1) continue;
    if (whole === undefined || part === undefined || start === undefined || node.shape.includes(0)) continue;
    const state = nodeAt(graph, whole);
    if (state.operation === 'state' && state.attributes.name === name) found.set(name, { part, start, axis: node.attributes.axis });
  }
  return found;
}
