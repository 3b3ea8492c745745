import { describe, expect, it } from 'vitest';
import { keyFromSeed, normalArray } from '../random/index.js';
import { float32Array } from '../tensor/index.js';
import { dequantiseMatrix, quantisedBlock, quantisedReach, quantiseMatrix, quantiseWeights } from './quantised.js';
import { weightsFromArrays } from './sources.js';

const matrix = (rows: number, columns: number, seed = 1) => float32Array([rows, columns], normalArray(keyFromSeed(seed), rows * columns));

describe.each([8, 4] as const)('a matrix in %i bits', (bits) => {
  const steps = quantisedReach[bits];

  it.each([
    [3, 32],
    [5, 64],
    [2, 45],
    [2, 300],
    [1, 7],
    [4, 1],
  ])('of [%i, %i] is off by half a step of its block at most, and not at all at the block’s largest weight', (rows, columns) => {
    const original = matrix(rows, columns);
    const { data, shape } = dequantiseMatrix(quantiseMatrix(original, bits));
    expect(shape).toEqual([rows, columns]);
    const block = quantisedBlock(bits, columns);
    for (let row = 0; row < rows; row += 1) {
      for (let first = 0; first < columns; first += block) {
        const indices = Array.from({ length: Math.min(block, columns - first) }, (_, index) => row * columns + first + index);
        const largest = indices.reduce((best, index) => (Math.abs(original.data[index] ?? 0) > Math.abs(original.data[best] ?? 0) ? index : best));
        const step = Math.abs(original.data[largest] ?? 0) / steps;
        expect(data[largest]).toBeCloseTo(original.data[largest] ?? 0, 6);
        for (const index of indices) {
          // The one code that is missing above the middle, at 4 bits, is worth half a step more.
          const opposite =
            bits === 4 && Math.sign(original.data[index] ?? 0) !== Math.sign(original.data[largest] ?? 0) && Math.abs(original.data[index] ?? 0) > step * (steps - 1.5);
          expect(Math.abs((data[index] ?? 0) - (original.data[index] ?? 0))).toBeLessThanOrEqual(step * (opposite ? 1 : 0.5) + 1e-7);
        }
      }
    }
  });

  it('of zeros stays zeros', () => {
    const zeros = float32Array([2, 40], new Float32Array(80));
    expect(dequantiseMatrix(quantiseMatrix(zeros, bits)).data.every((weight) => weight === 0)).toBe(true);
  });

  it('takes the bytes it says', () => {
    const { codes, scales } = quantiseMatrix(matrix(6, 91), bits);
    expect([codes.length, scales.length]).toEqual(bits === 8 ? [6 * 91, 6] : [(6 * 96) / 2, 6 * 3]);
  });
});

it('fills the last block of a row with codes for nothing', () => {
  const { codes } = quantiseMatrix(matrix(2, 33), 4);
  expect(new Set(codes.subarray(17, 32))).toEqual(new Set([0x88]));
});

it('keeps codes of 8 bits so small that two products with unsigned activations fit into 16 bits', () => {
  const { codes } = quantiseMatrix(matrix(20, 300), 8);
  const farthest = codes.reduce((most, code) => Math.max(most, Math.abs(code - 128)), 0);
  expect(farthest).toBe(64);
  expect(2 * 255 * farthest).toBeLessThan(2 ** 15);
});

describe('weights in few bits', () => {
  const arrays = new Map([
    ['table', matrix(4, 8, 2)],
    ['layer', matrix(4, 40, 3)],
    ['bias', float32Array([4], [1, 2, 3, 4])],
  ]);

  it('are read as what their codes stand for, by every engine alike; the others as they are', async () => {
    const source = quantiseWeights(weightsFromArrays(arrays), 8, new Set(['layer']));
    const codes = await source.quantised?.('layer');
    expect(codes).toBeDefined();
    if (codes === undefined) return;
    expect(await source.read('layer')).toEqual(dequantiseMatrix(codes));
    expect(source.quantised?.('table')).toBeUndefined();
    expect(await source.read('table')).toBe(arrays.get('table'));
  });

  it('refuse what is no matrix of floats, by name', () => {
    expect(() => quantiseWeights(weightsFromArrays(arrays), 8, new Set(['bias']))).toThrow(/'bias' cannot be quantised/);
    expect(() => quantiseWeights(weightsFromArrays(arrays), 8, new Set(['lost']))).toThrow(/'lost' cannot be quantised/);
  });

  it('are tried again after a read that failed', async () => {
    let reads = 0;
    const shaky = {
      ...weightsFromArrays(arrays),
      async read(name: string) {
        reads += 1;
        if (reads === 1) throw new Error('disk');
        return arrays.get(name) ?? matrix(1, 1);
      },
    };
    const source = quantiseWeights(shaky, 4, new Set(['layer']));
    await expect(source.read('layer')).rejects.toThrow('disk');
    expect((await source.read('layer')).shape).toEqual([4, 40]);
  });
});
