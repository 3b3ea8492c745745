import { apply, type Tensor } from '../graph/index.js';
import { add, where } from './elementwise.js';

/** What is added to a forbidden score: it is then far below any real one, yet finite, so that a row without any key stays a number. */
export const maskedScore = -1e9;

/**
 * Scores [batch, heads, queries, keys] with those forbidden where `mask`, which broadcasts to them, is false. By addition: ONNX Runtime takes
 * eight times as long for a selection among as many numbers, and the gradient would need another, though what is forbidden has none already.
 */
export function maskScores(scores: Tensor, mask: Tensor | undefined): Tensor {
  return mask === undefined ? scores : add(scores, where(mask, 0, maskedScore));
}

/**
 * softmax(scale·q·kᵀ, mask)·v for q `[batch, heads, queries, headSize]`, k and v `[batch, heads, keys, headSize]`.
 * `mask` is bool, true where a query may look, and broadcasts to `[batch, heads, queries, keys]`.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: { readonly mask?: Tensor; readonly scale?: number } = {}): Tensor {
  const scale = options.scale ?? 1 / Math.sqrt(q.shape[q.shape.length - 1] ?? 1);
  return apply('attention', options.mask === undefined ? [q, k, v] : [q, k, v, options.mask], { scale });
}
