import { type Graph, type LeafKind, nodeAt, type OperationName } from '../graph/index.js';
import { prepareGraph } from '../passes/index.js';
import type { Shape } from '../tensor/index.js';
import { bytesOf } from './memory.js';

/** How much of a leaf one run of a graph reads. */
export interface LeafReads {
  readonly kind: LeafKind;
  readonly name: string;
  readonly shape: Shape;
  /** Bytes of the leaf itself. */
  readonly size: number;
  /** Read by all its readers together; those in a loop read as often as it runs. */
  readonly bytes: number;
  readonly readers: ReadonlySet<OperationName>;
}

/** Where a value of a graph comes from: a leaf, or one that only names it anew. */
interface Source {
  readonly kind: LeafKind;
  readonly name: string;
  readonly shape: Shape;
  readonly size: number;
}

/**
 * Bytes that one run of a graph reads of its inputs, state and constants. A product reads a matrix whole, however many rows
 * meet it; `gather` and `slice` read what they take. Values that are computed on the way are not counted.
 */
export function leafReads(graph: Graph): LeafReads[] {
  const found = new Map<string, { readonly source: Source; bytes: number; readonly readers: Set<OperationName> }>();
  const read = (source: Source, bytes: number, reader: OperationName): void => {
    const key = `${source.kind}:${source.name}`;
    const known = found.get(key) ?? { source, bytes: 0, readers: new Set<OperationName>() };
    found.set(key, known);
    known.bytes += bytes;
    known.readers.add(reader);
  };
  const visit = (inner: Graph, times: number, given: ReadonlyMap<string, Source> | undefined): void => {
    const sources: (Source | undefined)[] = [];
    inner.nodes.forEach((node, index) => {
      const sourceAt = (input: number | undefined): Source | undefined => (input === undefined ? undefined : sources[input]);
      switch (node.operation) {
        case 'input':
        case 'state':
        case 'constant': {
          const { name } = node.attributes;
          // An input of a loop's body is what the loop captured or carries; only the former is a leaf of the graph.
          sources[index] = given !== undefined && node.operation === 'input' ? given.get(name) : { kind: node.operation, name, shape: node.shape, size: bytesOf(node) };
          return;
        }
        case 'reshape':
        case 'stopGradient':
          sources[index] = sourceAt(node.inputs[0]);
          return;
        case 'gather':
        case 'slice': {
          const [table, ...indices] = node.inputs.map(sourceAt);
          if (table !== undefined) read(table, times * Math.min(table.size, bytesOf(node)), node.operation);
          for (const source of indices) if (source !== undefined) read(source, times * source.size, node.operation);
          return;
        }
        case 'loop': {
          const { body, count, carried } = node.attributes;
          const captured = new Map<string, Source>();
          node.inputs.forEach((input, place) => {
            const source = sourceAt(input);
            if (source === undefined) return;
            if (place < carried) read(source, times * source.size, 'loop');
            else captured.set(`captured.${place - carried}`, source);
          });
          visit(body, times * count, captured);
          return;
        }
        default:
          for (const input of node.inputs) {
            const source = sourceAt(input);
            if (source !== undefined) read(source, times * Math.min(source.size, bytesOf(nodeAt(inner, input))), node.operation);
          }
      }
    });
  };
  visit(prepareGraph(graph, { composites: new Set() }), 1, undefined);
  return Array.from(found.values(), ({ source, bytes, readers }) => ({ ...source, bytes, readers }));
}
