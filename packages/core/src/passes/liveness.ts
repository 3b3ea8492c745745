import type { Graph } from '../graph/index.js';

/** For each node the values that nobody reads after it: what an engine that walks the graph can free there. Results are kept. */
export function lastUses(graph: Graph): readonly (readonly number[])[] {
  const last = new Int32Array(graph.nodes.length).fill(-1);
  graph.nodes.forEach((node, index) => {
    for (const input of node.inputs) last[input] = index;
  });
  const kept = new Set([...graph.outputs, ...graph.updates].map(({ node }) => node));
  const freed: number[][] = graph.nodes.map(() => []);
  last.forEach((at, index) => {
    // A value that is never read can go as soon as it is there.
    if (!kept.has(index)) freed[at < 0 ? index : at]?.push(index);
  });
  return freed;
}
