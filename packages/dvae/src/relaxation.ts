import { add, divide, log, negate, softmax, type Tensor, transpose } from '@tesserae/core';

/**
 * The Gumbel-softmax relaxation (Jang et al. 2017; Maddison et al. 2017): softmax((logits + g)/τ) over the codebook with
 * g = −ln(−ln u). Never hard in training: the paper relaxes both the forward and the backward pass.
 * @param logits `[batch, codebook, rows, columns]`
 * @param noise uniform numbers in (0, 1) of the same shape
 * @param temperature τ, a float32 scalar
 */
export function relax(logits: Tensor, noise: Tensor, temperature: Tensor): Tensor {
  const gumbel = negate(log(negate(log(noise))));
  const scores = divide(add(logits, gumbel), temperature);
  return transpose(softmax(transpose(scores, [0, 2, 3, 1])), [0, 3, 1, 2]);
}
