import { apply, type Tensor } from '../graph/index.js';
import { normaliseAxis } from '../tensor/index.js';

/** Rows of `table` at int32 `indices`; the axes of `indices` replace `axis`. */
export function gather(table: Tensor, indices: Tensor, axis = 0): Tensor {
  return apply('gather', [table, indices], { axis: normaliseAxis(axis, table.shape.length, 'gather') });
}

/** zeros([size, …]) with row indices[i] increased by updates[i]; repeated indices add up. */
export const scatterAdd = (indices: Tensor, updates: Tensor, size: number): Tensor => apply('scatterAdd', [indices, updates], { size });

/** int32 […] → float32 […, depth], 1 at the index and 0 elsewhere. */
export const oneHot = (indices: Tensor, depth: number): Tensor => apply('oneHot', [indices], { depth });
