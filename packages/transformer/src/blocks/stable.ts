import { add, attention, divide, maskedScore, matMul, multiply, reduceMax, softmax, stopGradient, subtract, type Tensor, where } from '@tesserae/core';

/** How far scores are reduced before their largest is taken from them (CogView, Ding et al. 2021, §2.4; the number is DALLE-pytorch's). */
export const scoreReduction = 1024;

const last = { axes: [-1], keepDimensions: true } as const;

/** softmax by way of scores that half precision can hold; in single precision the same numbers, as the reduction is a power of 2. */
export function stableSoftmax(scores: Tensor): Tensor {
  const reduced = divide(scores, scoreReduction);
  return softmax(multiply(subtract(reduced, stopGradient(reduceMax(reduced, last))), scoreReduction));
}

/** `attention` of core, or the same with `stableSoftmax`. */
export function attentionOf(stable: boolean): typeof attention {
  if (!stable) return attention;
  return (queries, keys, values, { mask, scale = 1 / Math.sqrt(queries.shape[queries.shape.length - 1] ?? 1) } = {}) => {
    const scores = matMul(multiply(queries, scale), keys, { transposeB: true });
    return matMul(stableSoftmax(mask === undefined ? scores : where(mask, scores, maskedScore)), values);
  };
}

/**
 * Attention with numbers added to the scores, `maskedScore` where a query may not look: of every query that sees a key the same as with a mask, in one
 * pass less over the scores on the way, and one less on the way back, where what is not seen has no gradient already.
 */
export function biasedAttention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor, stable: boolean): Tensor {
  const scale = 1 / Math.sqrt(queries.shape[queries.shape.length - 1] ?? 1);
  const scores = add(matMul(multiply(queries, scale), keys, { transposeB: true }), bias);
  return matMul((stable ? stableSoftmax : softmax)(scores), values);
}

/** x with a tenth of its gradient: embeddings learn slower than what reads them (CogView). */
export function calmEmbeddings(x: Tensor): Tensor {
  return add(multiply(x, 0.1), multiply(stopGradient(x), 0.9));
}

/** x divided by its largest channel, signed, before the last norm. */
export function divideByLargest(x: Tensor): Tensor {
  return divide(x, stopGradient(reduceMax(x, last)));
}
