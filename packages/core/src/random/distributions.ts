import { type Key, randomWords } from './threefry.js';

/** Uniform float32 numbers strictly inside (0, 1): multiples of 2⁻²⁴ shifted by half a step, so that log is finite. */
export function uniformArray(key: Key, count: number, start = 0): Float32Array {
  const words = randomWords(key, count, start);
  const values = new Float32Array(count);
  for (let index = 0; index < count; index += 1) {
    // 23 bits and a half step: with 24 the largest value would round to 1 in float32.
    values[index] = ((words[index] ?? 0) >>> 9) * 2 ** -23 + 2 ** -24;
  }
  return values;
}

/** One uniform number strictly inside (0, 1), at `counter` of the key's stream. */
export function uniform(key: Key, counter = 0): number {
  return uniformArray(key, 1, counter)[0] ?? 0;
}

/** A uniform integer in [0, bound). */
export function uniformInteger(key: Key, bound: number, counter = 0): number {
  return Math.min(bound - 1, Math.floor(uniform(key, counter) * bound));
}

/** Standard normal numbers (Box and Muller 1958, cosine branch only, so that each takes its own counters 2i, 2i+1). */
export function normalArray(key: Key, count: number): Float32Array {
  const uniforms = uniformArray(key, count * 2);
  const values = new Float32Array(count);
  for (let index = 0; index < count; index += 1) {
    const radius = Math.sqrt(-2 * Math.log(uniforms[index * 2] ?? 0.5));
    values[index] = radius * Math.cos(2 * Math.PI * (uniforms[index * 2 + 1] ?? 0));
  }
  return values;
}

/** The numbers 0…count−1 in random order (Fisher and Yates). */
export function permutation(key: Key, count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, index) => index);
  const uniforms = uniformArray(key, count);
  for (let index = count - 1; index > 0; index -= 1) {
    const other = Math.min(index, Math.floor((uniforms[index] ?? 0) * (index + 1)));
    const kept = order[index] ?? 0;
    order[index] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}
