import { add, attention, divide, maskScores, matMul, multiply, reduceMax, softmax, stopGradient, subtract, type Tensor } from '@tesserae/core';

/** How far scores are reduced before their largest is taken from them (CogView, Ding et al. 2021, §2.4; the number is DALLE-pytorch's). */
export const scoreReduction = 1024;

const last = { axes: [-1], keepDimensions: true } as const;

/** softmax by way of scores that half precision can hold; in single precision the same numbers, as the reduction is a power of 2. */
export function stableSoftmax(scores: Tensor): Tensor {
  const reduced = divide(scores, scoreReduction);
  return softmax(multiply(subtract(reduced, stopGradient(reduceMax(reduced, last))), scoreReduction));
}

/** `attention` of core written out, so that a backward pass can compute a part of it again. */
export function openAttention(stable: boolean): typeof attention {
  const normalise = stable ? stableSoftmax : softmax;
  return (queries, keys, values, { mask, scale = 1 / Math.sqrt(queries.shape[queries.shape.length - 1] ?? 1) } = {}) =>
    matMul(normalise(maskScores(matMul(multiply(queries, scale), keys, { transposeB: true }), mask)), values);
}

/** `attention` of core, or the same with `stableSoftmax`. */
export const attentionOf = (stable: boolean): typeof attention => (stable ? openAttention(stable) : attention);

/** x with a tenth of its gradient: embeddings learn slower than what reads them (CogView). */
export function calmEmbeddings(x: Tensor): Tensor {
  return add(multiply(x, 0.1), multiply(stopGradient(x), 0.9));
}

/** x divided by its largest channel, signed, before the last norm. */
export function divideByLargest(x: Tensor): Tensor {
  return divide(x, stopGradient(reduceMax(x, last)));
}
