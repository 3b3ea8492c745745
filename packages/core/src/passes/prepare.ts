import { type CompositeName, type Graph, isComposite } from '../graph/index.js';
import { decompose } from '../ops/index.js';
import { type NodeRewrite, rewriteGraph } from './rewrite.js';
import { simplify } from './simplify.js';

/** Replaces every composite that the engine does not run whole by its decomposition, to the bottom. */
export function decomposeComposites(graph: Graph, claimed: ReadonlySet<CompositeName>): Graph {
  const rewrite: NodeRewrite = (node, inputs) => {
    if (!isComposite(node.operation) || claimed.has(node.operation)) return undefined;
    return decompose(node.operation, inputs, node.attributes as never);
  };
  let current = graph;
  // A decomposition may use simpler composites (attention uses softmax): repeat until nothing is left to open.
  while (hasUnclaimed(current, claimed)) current = rewriteGraph(current, rewrite);
  return current;
}

function hasUnclaimed(graph: Graph, claimed: ReadonlySet<CompositeName>): boolean {
  return graph.nodes.some((node) => (node.operation === 'loop' ? hasUnclaimed(node.attributes.body, claimed) : isComposite(node.operation) && !claimed.has(node.operation)));
}

/** What every backend does first: opens unclaimed composites, drops dead nodes and movements of nothing, merges equal nodes, verifies. */
export function prepareGraph(graph: Graph, options: { readonly composites: ReadonlySet<CompositeName> }): Graph {
  const withoutDead = (current: Graph): Graph => rewriteGraph(current, () => undefined);
  const opened = decomposeComposites(graph, options.composites);
  // What was simplified away is still there, read by nobody.
  return withoutDead(rewriteGraph(opened, simplify));
}
