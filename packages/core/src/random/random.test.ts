import { describe, expect, it } from 'vitest';
import { deriveKey, type Key, keyFromSeed, normalArray, permutation, randomWords, uniform, uniformArray, uniformInteger } from './index.js';
import { encipher } from './threefry.js';

const hex = (words: ArrayLike<number>): string => Array.from(words, (word) => word.toString(16).padStart(8, '0')).join(' ');
const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const moment = (values: Float32Array, order: number): number => {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** order, 0) / values.length;
};

describe('Threefry-2x32 with 20 rounds', () => {
  // kat_vectors of Random123, the library of the paper.
  const answers: readonly { readonly counter: readonly [number, number]; readonly key: Key; readonly result: string }[] = [
    { counter: [0, 0], key: [0, 0], result: '6b200159 99ba4efe' },
    { counter: [0xffffffff, 0xffffffff], key: [0xffffffff, 0xffffffff], result: '1cb996fc bb002be7' },
    { counter: [0x243f6a88, 0x85a308d3], key: [0x13198a2e, 0x03707344], result: 'c4923a9c 483df7a0' },
  ];
  for (const { counter, key, result } of answers) {
    it(`gives the known answer for counter ${hex(counter)} and key ${hex(key)}`, () => {
      const out = new Uint32Array(2);
      encipher(key, counter[0], counter[1], out, 0);
      expect(hex(out)).toBe(result);
    });
  }

  it('is what streams are made of: the first two words are those of counter 0', () => {
    expect(hex(randomWords([0, 0], 2))).toBe('6b200159 99ba4efe');
  });

  it('gives any window of a stream alone, also at odd starts and beyond 32 bits', () => {
    const key = keyFromSeed(5);
    const whole = randomWords(key, 40);
    for (const [start, count] of [
      [0, 1],
      [1, 1],
      [7, 12],
      [8, 12],
      [39, 1],
      [11, 0],
    ] as const) {
      expect(hex(randomWords(key, count, start))).toBe(hex(whole.subarray(start, start + count)));
    }
    const far = 2 ** 40 + 3;
    expect(hex(randomWords(key, 3, far))).toBe([0, 1, 2].map((offset) => hex(randomWords(key, 1, far + offset))).join(' '));
    expect(hex(randomWords(key, 2, 2 ** 33))).not.toBe(hex(randomWords(key, 2, 0)));
  });
});

describe('keys', () => {
  it('hold every bit of a safe integer', () => {
    expect(keyFromSeed(Number.MAX_SAFE_INTEGER)).toEqual([0xffffffff, 0x1fffff]);
    expect(keyFromSeed(2 ** 32)).not.toEqual(keyFromSeed(0));
  });

  it('are derived by purpose: numbers, names and order matter, and nothing is changed in place', () => {
    const key = keyFromSeed(1);
    const derived = [
      deriveKey(key, 0),
      deriveKey(key, 1),
      deriveKey(key, 'noise'),
      deriveKey(key, 'order'),
      deriveKey(key, 'noise', 1),
      deriveKey(key, 1, 'noise'),
      deriveKey(key, 97),
      deriveKey(key, 'a'),
    ];
    expect(new Set(derived.map(hex)).size).toBe(derived.length);
    expect(deriveKey(key, 'noise', 1)).toEqual(deriveKey(deriveKey(key, 'noise'), 1));
    const names = [['ab'], ['a', 'b'], ['ab', ''], ['', 'ab'], ['a', '', 'b'], ['a', 'b', ''], ['b', 'a']];
    expect(new Set(names.map((path) => hex(deriveKey(key, ...path)))).size).toBe(names.length);
    expect(key).toEqual([1, 0]);
  });
});

describe('keys of trained models and recorded pictures', () => {
  // Another value here is another training, other pictures of every seed, and other scenes: none of them may change.
  it.each<[readonly (number | string)[], Key]>([
    [
      ['scenestrain', 3],
      [2838196377, 2338116492],
    ],
    [['sampling'], [630997257, 1232913701]],
    [
      ['pictures', 5],
      [3051598733, 1359018894],
    ],
    [
      [4, 'a'],
      [1171024927, 2920146830],
    ],
  ])('are what they were: %j', (path, derived) => {
    expect(deriveKey(keyFromSeed(7), ...path)).toEqual(derived);
  });

  it('go on letter by letter where one is derived from another', () => {
    expect(deriveKey(deriveKey(keyFromSeed(7), 'prior'), 'caption')).toEqual([3032730862, 2346517332]);
  });
});

describe('uniform numbers', () => {
  const count = 100_000;
  const values = uniformArray(keyFromSeed(42), count);

  it('lie strictly between 0 and 1, also for the extreme words', () => {
    expect(Math.min(...values.subarray(0, 50_000))).toBeGreaterThan(0);
    expect(values.every((value) => value > 0 && value < 1)).toBe(true);
    // The map from words to numbers at its two ends: half a step from 0 and from 1, exactly representable in float32.
    expect(Math.fround((0xffffffff >>> 9) * 2 ** -23 + 2 ** -24)).toBe(1 - 2 ** -24);
  });

  it('have mean 1/2 and variance 1/12 within five standard errors', () => {
    expect(Math.abs(mean(values) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(moment(values, 2) - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / count));
  });

  it('fill a hundred bins evenly (χ² within five deviations)', () => {
    const bins = new Float64Array(100);
    for (const value of values) bins[Math.floor(value * 100)] = (bins[Math.floor(value * 100)] ?? 0) + 1;
    const chi = bins.reduce((sum, found) => sum + (found - count / 100) ** 2 / (count / 100), 0);
    expect(Math.abs(chi - 99)).toBeLessThan(5 * Math.sqrt(2 * 99));
  });

  it('do not depend on how a stream is cut into pieces', () => {
    const key = keyFromSeed(9);
    const pieces = [uniformArray(key, 3), uniformArray(key, 5, 3), uniformArray(key, 2, 8)].flatMap((piece) => Array.from(piece));
    expect(pieces).toEqual(Array.from(uniformArray(key, 10)));
    expect(uniform(key, 6)).toBe(pieces[6]);
  });

  it('become whole numbers below a bound, all of them', () => {
    const key = keyFromSeed(3);
    const drawn = Array.from({ length: 500 }, (_, counter) => uniformInteger(key, 7, counter));
    expect([...new Set(drawn)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe('normal numbers', () => {
  it('have the moments of the standard normal distribution', () => {
    const count = 100_000;
    const values = normalArray(keyFromSeed(8), count);
    expect(Math.abs(mean(values))).toBeLessThan(5 / Math.sqrt(count));
    expect(Math.abs(moment(values, 2) - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    expect(Math.abs(moment(values, 3))).toBeLessThan(5 * Math.sqrt(15 / count));
    expect(Math.abs(moment(values, 4) - 3)).toBeLessThan(5 * Math.sqrt(96 / count));
    expect(values.every(Number.isFinite)).toBe(true);
  });
});

describe('permutation', () => {
  it('holds every number once, in an order that depends on the key', () => {
    const order = permutation(keyFromSeed(1), 1000);
    expect(Array.from(order).sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
    expect(Array.from(permutation(keyFromSeed(1), 1000))).toEqual(Array.from(order));
    expect(Array.from(permutation(keyFromSeed(2), 1000))).not.toEqual(Array.from(order));
    expect(Array.from(permutation(keyFromSeed(1), 0))).toEqual([]);
  });

  it('puts every number first equally often', () => {
    const first = new Float64Array(5);
    for (let seed = 0; seed < 5000; seed += 1) {
      const [start = 0] = permutation(keyFromSeed(seed), 5);
      first[start] = (first[start] ?? 0) + 1;
    }
    for (const times of first) expect(Math.abs(times - 1000)).toBeLessThan(5 * Math.sqrt(5000 * 0.2 * 0.8));
  });
});
