import { add, argMax, divide, log, multiply, negate, oneHot, softmax, stopGradient, subtract, type Tensor, transpose } from '@tesserae/core';

/** g = −ln(−ln u) from uniform numbers in (0, 1): what is added to logits so that their argmax is a sample. */
export function gumbelNoise(uniform: Tensor): Tensor {
  return negate(log(negate(log(uniform))));
}

/**
 * What the decoder is given in place of a sample:
 * - `soft`: the relaxation itself, forward and backward, as in the paper;
 * - `straight-through`: the hard sample forward, the gradient of the relaxation backward (Bengio et al. 2013);
 * - `reinmax`: the hard sample forward, a gradient of second order backward (Liu et al. 2023, Algorithm 2).
 */
export type Relaxation = 'soft' | 'straight-through' | 'reinmax';

/**
 * The Gumbel-softmax relaxation (Jang et al. 2017; Maddison et al. 2017): softmax((logits + g)/τ) over the codebook.
 * @param logits `[batch, codebook, rows, columns]`
 * @param gumbel numbers of the standard Gumbel distribution, of the same shape
 * @param temperature τ, a float32 scalar
 */
export function relaxWith(logits: Tensor, gumbel: Tensor, temperature: Tensor, relaxation: Relaxation = 'soft'): Tensor {
  const last = (x: Tensor): Tensor => transpose(x, [0, 2, 3, 1]);
  const scores = last(logits);
  const soft = softmax(divide(add(scores, last(gumbel)), temperature));
  const given = (): Tensor => {
    if (relaxation === 'soft') return soft;
    const hard = oneHot(argMax(soft, -1), logits.shape[1] ?? 1);
    // The values of `hard` with the gradient of `through`.
    const straight = (through: Tensor): Tensor => add(stopGradient(subtract(hard, through)), through);
    switch (relaxation) {
      case 'straight-through':
        return straight(soft);
      case 'reinmax': {
        const halfway = divide(add(hard, softmax(divide(scores, temperature))), 2);
        // Its softmax has the values of `halfway` and the gradient of softmax there.
        const tangent = softmax(add(stopGradient(subtract(log(halfway), scores)), scores));
        return straight(subtract(multiply(tangent, 2), multiply(softmax(scores), 0.5)));
      }
      default:
        return relaxation satisfies never;
    }
  };
  return transpose(given(), [0, 3, 1, 2]);
}

/** The paper's relaxation, never hard in training, from uniform `noise` in (0, 1). */
export function relax(logits: Tensor, noise: Tensor, temperature: Tensor): Tensor {
  return relaxWith(logits, gumbelNoise(noise), temperature);
}
