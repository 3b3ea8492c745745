import { describe, expect, it } from 'vitest';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { allowedDistances, convolutionKernelOf, decodeMask, jointMask } from './attention-patterns.js';
import { type AttentionPattern, layerPatterns, type PriorConfiguration } from './configuration.js';

const paperGrid = { rows: 32, columns: 32 };
const keys = (distances: readonly boolean[]): number[] => distances.flatMap((allowed, distance) => (allowed ? [distance] : []));

describe('image patterns', () => {
  it.each([
    ['row', 33],
    ['column', 32],
    ['convolutional', 61],
    ['full', 1024],
  ] as const)('%s lets the last token of the paper’s grid see %i image tokens', (pattern, count) => {
    expect(keys(allowedDistances(pattern, paperGrid, 11))).toHaveLength(count);
  });

  it('follows Figure 11 on its 4×4 grid', () => {
    const grid = { rows: 4, columns: 4 };
    expect(keys(allowedDistances('row', grid, 3))).toEqual([0, 1, 2, 3, 4]);
    expect(keys(allowedDistances('column', grid, 3))).toEqual([0, 4, 8, 12]);
    expect(keys(allowedDistances('convolutional', grid, 3))).toEqual([0, 1, 3, 4, 5]);
  });

  it('takes the paper’s kernel, or the largest odd one a small grid holds', () => {
    expect(convolutionKernelOf({ grid: paperGrid })).toBe(11);
    expect(convolutionKernelOf({ grid: { rows: 8, columns: 8 } })).toBe(7);
    expect(convolutionKernelOf({ grid: { rows: 1, columns: 5 } })).toBe(1);
    expect(convolutionKernelOf({ grid: { rows: 8, columns: 8 }, convolutionKernel: 3 })).toBe(3);
  });

  it('orders the paper’s 64 layers: columns at 2, 6, …, 62, convolutional last, rows else', () => {
    const patterns = layerPatterns({ ...tinyConfiguration, layers: 64, attention: 'paper' });
    const columns = patterns.flatMap((pattern, index) => (pattern === 'column' ? [index + 1] : []));
    expect(columns).toEqual(Array.from({ length: 16 }, (_, index) => 2 + 4 * index));
    expect(patterns[63]).toBe('convolutional');
    expect(patterns.filter((pattern) => pattern === 'row')).toHaveLength(47);
  });
});

describe('the joint mask', () => {
  const configuration: PriorConfiguration = { ...tinyConfiguration, textLength: 2, grid: { rows: 2, columns: 2 } };

  it('is causal for text, open from images to text, and patterned between images', () => {
    const { data } = jointMask(configuration, 'column', 4);
    const rows = Array.from({ length: 7 }, (_, row) => Array.from(data.subarray(row * 7, row * 7 + 7)).join(''));
    expect(rows).toEqual(['1000000', '1100000', '1110000', '1111000', '1110100', '1111010', '1110101']);
  });

  it.each(['full', 'row', 'column', 'convolutional'] as const)('is what the decode mask of %s adds up to, for any span', (pattern: AttentionPattern) => {
    const { grid } = tinyConfiguration;
    const prefix = tinyConfiguration.textLength + 1;
    const positions = grid.rows * grid.columns;
    const joint = jointMask(tinyConfiguration, pattern, positions);
    for (const span of [1, grid.columns]) {
      const { data } = decodeMask(tinyConfiguration, pattern, span);
      const width = prefix + positions + span;
      for (let query = 0; query < positions; query += 1) {
        const seen = new Set<number>();
        for (let key = 0; key < prefix + positions; key += 1) if (data[query * width + key]) seen.add(key);
        for (let key = 0; key < span; key += 1) if (data[query * width + prefix + positions + key]) seen.add(prefix + query - (query % span) + key);
        const row = joint.data.subarray((prefix + query) * (prefix + positions), (prefix + query + 1) * (prefix + positions));
        expect([...seen].sort((a, b) => a - b)).toEqual(keys(Array.from(row, (value) => value === 1)));
      }
    }
  });
});
