import { describe, expect, it } from 'vitest';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { convolutionKernelOf, imagePattern, jointMask } from './attention-patterns.js';
import { type AttentionPattern, layerPatterns, type PriorConfiguration, patternNames } from './configuration.js';

const paperGrid = { rows: 32, columns: 32 };

/** Grid positions that a token may look at. */
function seenFrom(pattern: AttentionPattern, query: number, configuration: Pick<PriorConfiguration, 'grid' | 'convolutionKernel'>): number[] {
  const looks = imagePattern(pattern, configuration);
  const { rows, columns } = configuration.grid;
  return Array.from({ length: rows * columns }, (_, key) => key).filter((key) => looks(query, key));
}
const allPatterns = Object.keys(patternNames) as AttentionPattern[];

describe('image patterns', () => {
  it.each([
    ['row', 33],
    ['column', 32],
    ['convolutional', 61],
    ['full', 1024],
    ['axialRow', 32],
    ['axialColumn', 32],
    ['convLike', 25],
    ['neighbourhood', 36],
  ] as const)('%s lets the last token of the paper’s grid see %i image tokens', (pattern, count) => {
    expect(seenFrom(pattern, 1023, { grid: paperGrid })).toHaveLength(count);
  });

  it('follows Figure 11 on its 4×4 grid', () => {
    const figure = { grid: { rows: 4, columns: 4 }, convolutionKernel: 3 };
    const distances = (pattern: AttentionPattern): number[] =>
      seenFrom(pattern, 15, figure)
        .map((key) => 15 - key)
        .reverse();
    expect(distances('row')).toEqual([0, 1, 2, 3, 4]);
    expect(distances('column')).toEqual([0, 4, 8, 12]);
    expect(distances('convolutional')).toEqual([0, 1, 3, 4, 5]);
  });

  it('wraps the paper’s patterns around the ends of rows, and not those of DALLE-pytorch and ru-dalle', () => {
    const grid = { rows: 4, columns: 4 };
    // Position 8 is the first of the third row.
    expect(seenFrom('row', 8, { grid })).toEqual([4, 5, 6, 7, 8]);
    expect(seenFrom('axialRow', 8, { grid })).toEqual([8]);
    expect(seenFrom('convolutional', 8, { grid, convolutionKernel: 3 })).toEqual([3, 4, 5, 7, 8]);
    expect(seenFrom('convLike', 8, { grid, convolutionKernel: 3 })).toEqual([0, 4, 8]);
    expect(seenFrom('convLike', 10, { grid, convolutionKernel: 3 })).toEqual([0, 1, 2, 4, 5, 6, 8, 9, 10]);
    expect(seenFrom('axialColumn', 9, { grid })).toEqual([1, 5, 9]);
    expect(seenFrom('neighbourhood', 8, { grid, convolutionKernel: 3 })).toEqual([4, 5, 8]);
    expect(seenFrom('neighbourhood', 10, { grid, convolutionKernel: 3 })).toEqual([5, 6, 7, 9, 10]);
  });

  it.each(allPatterns)('%s lets a token see itself and nothing later', (pattern) => {
    const grid = { rows: 3, columns: 5 };
    for (let query = 0; query < 15; query += 1) expect(Math.max(...seenFrom(pattern, query, { grid }))).toBe(query);
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
});
