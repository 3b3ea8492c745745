import type { Node, OperationName } from '../graph/index.js';
import { sizeOf } from '../tensor/index.js';

/** What a layer's backward pass computes again instead of keeping: nothing, what costs little for its memory, or everything. */
export type Recompute = 'none' | 'cheap' | 'all';

/** Operations of one pass over their input, or a few. */
const passes: ReadonlySet<OperationName> = new Set<OperationName>([
  'reshape',
  'transpose',
  'broadcastTo',
  'slice',
  'pad',
  'concat',
  'reverse',
  'exp',
  'softmax',
  'normalisedExp',
  'layerNorm',
  'rmsNorm',
  'relu',
  'gelu',
  'silu',
]);

/** Cheap where one operand is as large as the result and the others are scalars, rows or columns: else as much has to be kept as is saved. */
const elementwise: ReadonlySet<OperationName> = new Set<OperationName>(['add', 'subtract', 'multiply', 'divide']);

/** How many times smaller than the result an operand has to be that is none to keep. */
const small = 8;

/** Up to this inner length a product costs little for a number of its result, as that of queries and keys does: twice as many operations. */
const shortProduct = 64;

function isShortProduct({ operation, inputs, attributes }: Node, nodes: readonly Node[]): boolean {
  if (operation !== 'matMul') return false;
  const left = nodes[inputs[0] ?? -1]?.shape ?? [];
  const { transposeA } = attributes as { readonly transposeA: boolean };
  return left.length > 2 && (left[left.length - (transposeA ? 2 : 1)] ?? 0) <= shortProduct;
}

/** Whether a value is cheap to compute again from what it is made of. A layer's products are not, nor is their bias, which engines add within the product. */
export function isCheap(node: Node, nodes: readonly Node[]): boolean {
  if (passes.has(node.operation) || isShortProduct(node, nodes)) return true;
  if (!elementwise.has(node.operation)) return false;
  const size = sizeOf(node.shape);
  const large = node.inputs.flatMap((input) => {
    const operand = nodes[input];
    return operand !== undefined && sizeOf(operand.shape) * small > size ? [operand] : [];
  });
  const [only] = large;
  return large.length === 1 && only !== undefined && (only.operation !== 'matMul' || isShortProduct(only, nodes));
}
