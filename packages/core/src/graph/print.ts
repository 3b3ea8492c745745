import { type Graph, leavesOf, type Node } from './graph.js';

/** A number as text that no other number has: JSON would write −0 as 0, and infinities and NaN as null. */
function exactText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Whether JSON writes all numbers in it as they are. */
function isExactInJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  return typeof value !== 'object' || value === null || Object.values(value).every(isExactInJson);
}

/** An attribute as JSON, but with numbers exact. Also what tells equal nodes from unequal ones. */
export function attributeText(value: unknown): string {
  // Written for every node of every pass: without a replacer it is several times as fast.
  if (isExactInJson(value)) return JSON.stringify(value);
  return JSON.stringify(value, (_, item: unknown) => (typeof item === 'number' && (!Number.isFinite(item) || Object.is(item, -0)) ? exactText(item) : item));
}

function attributesText(node: Node): string {
  const parts = Object.entries(node.attributes).flatMap(([key, value]): string[] => {
    if (key === 'body') return [];
    if (key === 'array') {
      const { data } = value as { readonly data: ArrayLike<number> };
      return [data.length > 8 ? `${data.length} values` : `[${Array.from(data, exactText).join(', ')}]`];
    }
    return [`${key}=${attributeText(value)}`];
  });
  return parts.length === 0 ? '' : ` {${parts.join(', ')}}`;
}

/** The graph as text, one node a line; loop bodies are indented below their loop. */
export function printGraph(graph: Graph, indent = ''): string {
  const lines = [
    `${indent}graph ${graph.name} (${leavesOf(graph, 'input')
      .map((leaf) => leaf.name)
      .join(', ')})`,
  ];
  graph.nodes.forEach((node, index) => {
    const inputs = node.inputs.map((input) => `%${input}`).join(', ');
    const label = node.label === undefined ? '' : `  # ${node.label}`;
    lines.push(`${indent}  %${index} = ${node.operation}(${inputs})${attributesText(node)} : ${node.dtype}[${node.shape.join(',')}]${label}`);
    if (node.operation === 'loop') lines.push(printGraph(node.attributes.body, `${indent}    `));
  });
  for (const { name, node } of graph.outputs) lines.push(`${indent}  return ${name} = %${node}`);
  for (const { name, node } of graph.updates) lines.push(`${indent}  update ${name} = %${node}`);
  return lines.join('\n');
}

/** A short stable hash of a graph's structure (FNV-1a over its text and large literals), for caches of compiled programs. */
export function hashGraph(graph: Graph): string {
  let low = 0x811c9dc5;
  let high = 0x1000193;
  const mix = (code: number): void => {
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ (code + 0x9e37), 0x85ebca6b);
  };
  const text = printGraph(graph);
  for (let index = 0; index < text.length; index += 1) mix(text.charCodeAt(index));
  const mixLiterals = ({ nodes }: Graph): void => {
    for (const node of nodes) {
      if (node.operation === 'loop') mixLiterals(node.attributes.body);
      if (node.operation !== 'literal' || node.attributes.array.data.length <= 8) continue;
      const { data } = node.attributes.array;
      for (const byte of new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) mix(byte);
    }
  };
  mixLiterals(graph);
  return `${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;
}
