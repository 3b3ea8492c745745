import type { Tf, TfTensor } from '../tensorflow.js';

/**
 * Shading languages promise sine and cosine to 2⁻¹¹ only, and some devices take them at their word. There both are made
 * of arithmetic, which is exact to the last bit or two.
 */
export function hasCoarseTrigonometry(tf: Tf): boolean {
  const device = tf.getBackend();
  return device === 'webgpu' || device === 'webgl';
}

/** π in parts (Cody and Waite 1980): the first two have few bits, so that their products with small whole numbers are exact. */
const pi1 = 3.140625;
const pi2 = 0.0009670257568359375;
const pi3 = Math.PI - pi1 - pi2;

/** Taylor's coefficients of sin r / r in r²: within 6e-8 of it for |r| ≤ π/2. */
const coefficients = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800];

/** Sine of x − (turns + offset)·π, which must lie in ±π/2, with the sign of the half turns put back. */
function sineAfterTurns(tf: Tf, x: TfTensor, turns: TfTensor, offset: number): TfTensor {
  const distance = tf.add(turns, offset);
  const rest = [pi1, pi2, pi3].reduce((value: TfTensor, part) => tf.sub(value, tf.mul(distance, part)), x);
  const squared = tf.mul(rest, rest);
  const [constant = 1, ...higher] = coefficients;
  const series = higher.reduceRight((sum: TfTensor | undefined, coefficient) => tf.mul(squared, sum === undefined ? coefficient : tf.add(sum, coefficient)), undefined);
  const odd = tf.sub(turns, tf.mul(tf.floor(tf.mul(turns, 0.5)), 2));
  return tf.mul(tf.mul(rest, series === undefined ? constant : tf.add(series, constant)), tf.sub(1, tf.mul(odd, 2)));
}

export function sine(tf: Tf, x: TfTensor): TfTensor {
  if (!hasCoarseTrigonometry(tf)) return tf.sin(x);
  return sineAfterTurns(tf, x, tf.floor(tf.add(tf.mul(x, 1 / Math.PI), 0.5)), 0);
}

export function cosine(tf: Tf, x: TfTensor): TfTensor {
  if (!hasCoarseTrigonometry(tf)) return tf.cos(x);
  // cos(r + π/2) = −sin r.
  return tf.neg(sineAfterTurns(tf, x, tf.floor(tf.mul(x, 1 / Math.PI)), 0.5));
}
