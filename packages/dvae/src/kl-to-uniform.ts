import { add, exp, logSoftmax, multiply, reduceMean, reduceSum, type Tensor } from '@tesserae/core';

/**
 * KL(q ‖ uniform) in nats at each place: ln K + Σ p ln p, from raw logits without noise or temperature (openai/DALL-E#26).
 * @param logits `[…, codebook]`
 * @returns `[…]`
 */
export function klAtPlaces(logits: Tensor): Tensor {
  const logProbabilities = logSoftmax(logits);
  return add(reduceSum(multiply(exp(logProbabilities), logProbabilities), { axes: [-1] }), Math.log(logits.shape[logits.shape.length - 1] ?? 1));
}

/** Its mean over all places, a scalar. */
export function meanKl(logits: Tensor): Tensor {
  return reduceMean(klAtPlaces(logits));
}
