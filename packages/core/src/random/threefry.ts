/**
 * Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). The number at a counter depends on nothing but key and counter, so a batch, a resumed run or
 * another engine meets the same numbers. Only 32-bit additions, rotations and xors: exact and quick in JavaScript.
 */
const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const parity = 0x1bd11bda; // the key-schedule constant of the paper

/** A 64-bit key as two unsigned 32-bit halves. */
export type Key = readonly [number, number];

/**
 * Enciphers one counter; the two unsigned 32-bit halves of the result go to `out[offset]` and `out[offset + 1]`.
 * Not public: exported for the known answers in the test.
 */
export function encipher(key: Key, counter0: number, counter1: number, out: Uint32Array, offset: number): void {
  const k0 = key[0] | 0;
  const k1 = key[1] | 0;
  const k2 = k0 ^ k1 ^ parity;
  let x0 = (counter0 + k0) | 0;
  let x1 = (counter1 + k1) | 0;
  for (let round = 0; round < 20; round += 1) {
    const rotation = rotations[round & 7] ?? 0;
    x0 = (x0 + x1) | 0;
    x1 = ((x1 << rotation) | (x1 >>> (32 - rotation))) ^ x0;
    if ((round & 3) === 3) {
      const injection = (round + 1) >> 2;
      const step = injection % 3;
      x0 = (x0 + (step === 0 ? k0 : step === 1 ? k1 : k2)) | 0;
      x1 = (x1 + (step === 0 ? k1 : step === 1 ? k2 : k0) + injection) | 0;
    }
  }
  out[offset] = x0;
  out[offset + 1] = x1;
}

/** A key from a seed (any safe integer). */
export function keyFromSeed(seed: number): Key {
  return [seed >>> 0, Math.floor(seed / 0x1_0000_0000) >>> 0];
}

/** No UTF-16 code unit: it stands between two names, so that `'a', 'b'` is not `'ab'`. */
const betweenNames = 0x1_0000;

/**
 * A new independent key: `path` names the purpose, e.g. `deriveKey(key, step, 3)` or `deriveKey(key, 'gumbel', step)`. Other paths of names (not
 * empty) and numbers give other keys. A key derived from a derived key goes on letter by letter: `deriveKey(deriveKey(key, 'a'), 'b')` is that of `'ab'`.
 */
export function deriveKey(key: Key, ...path: readonly (number | string)[]): Key {
  const out = new Uint32Array(2);
  let current = key;
  for (const [index, part] of path.entries()) {
    if (typeof part === 'number') {
      encipher(current, part >>> 0, Math.floor(part / 0x1_0000_0000) >>> 0, out, 0);
    } else {
      // Names chain through the cipher a character at a time; the second counter half keeps them apart from numbers.
      out[0] = current[0];
      out[1] = current[1];
      const follow = (letter: number): void => encipher([out[0] ?? 0, out[1] ?? 0], letter, 0x5f3759df, out, 0);
      if (typeof path[index - 1] === 'string') follow(betweenNames);
      for (let at = 0; at < part.length; at += 1) follow(part.charCodeAt(at));
    }
    current = [out[0] ?? 0, out[1] ?? 0];
  }
  return current;
}

/** `count` unsigned 32-bit words: those of counters `start`, `start + 1`, … (one word a counter). */
export function randomWords(key: Key, count: number, start = 0): Uint32Array {
  // Words come in pairs; a counter pair is (word index >> 1), so any window of the stream can be made alone.
  const firstPair = Math.floor(start / 2);
  const lastPair = Math.floor((start + count + 1) / 2);
  const words = new Uint32Array(Math.max(0, lastPair - firstPair) * 2);
  for (let pair = firstPair; pair < lastPair; pair += 1) {
    encipher(key, pair >>> 0, Math.floor(pair / 0x1_0000_0000) >>> 0, words, (pair - firstPair) * 2);
  }
  return words.subarray(start - firstPair * 2, start - firstPair * 2 + count);
}
