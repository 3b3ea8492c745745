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

/**
 * x with `part` in place of as much of it along `axis` from the int32 scalar `start` on, as XLA's dynamic-update-slice. The part must
 * fit in: 0 ≤ start ≤ length − part's length.
 */
export function replaceSlice(x: Tensor, part: Tensor, start: Tensor, axis: number): Tensor {
  const along = normaliseAxis(axis, x.shape.length, 'replaceSlice');
  return part.shape[along] === 0 ? x : apply('replaceSlice', [x, part, start], { axis: along });
}
