import { boolArray, type Grid, type HostArrayOf } from '@tesserae/core';
import { type AttentionPattern, imageLengthOf, type PriorConfiguration, prefixLengthOf } from './configuration.js';

/** The side of the paper's convolutional pattern (Appendix B.1). */
const paperKernel = 11;

/** The paper's kernel, or the largest odd one that fits a small grid. */
export function convolutionKernelOf({ grid, convolutionKernel }: Pick<PriorConfiguration, 'grid' | 'convolutionKernel'>): number {
  const side = Math.min(grid.rows, grid.columns);
  return convolutionKernel ?? Math.min(paperKernel, side % 2 === 1 ? side : Math.max(1, side - 1));
}

/**
 * Which distances (query − key in raster order, 0 … positions−1) a pattern lets an image token look back. All of the
 * paper's patterns are sets of raster distances, so they wrap around the ends of rows (Figure 11):
 * row: 0 … W, the last being the token above; column: multiples of W; convolutional: r·W + c ≥ 0 with |r|, |c| ≤ ⌊k/2⌋.
 */
export function allowedDistances(pattern: AttentionPattern, grid: Grid, kernel: number): readonly boolean[] {
  const { rows, columns } = grid;
  const distances = Array.from({ length: rows * columns }, (_, distance) => distance);
  switch (pattern) {
    case 'full':
      return distances.map(() => true);
    case 'row':
      return distances.map((distance) => distance <= columns);
    case 'column':
      return distances.map((distance) => distance % columns === 0);
    case 'convolutional': {
      const half = Math.floor(kernel / 2);
      const reached = new Set<number>();
      for (let row = 0; row <= half; row += 1) {
        for (let column = -half; column <= half; column += 1) reached.add(row * columns + column);
      }
      return distances.map((distance) => reached.has(distance));
    }
    default:
      return pattern satisfies never;
  }
}

/**
 * The mask of a forward pass over start of text, text and the first `imageTokens` image tokens: bool [length, length],
 * true where the query (row) may look at the key (column). Text looks at earlier text, images at all text and at
 * earlier image tokens by the pattern.
 */
export function jointMask(configuration: PriorConfiguration, pattern: AttentionPattern, imageTokens: number): HostArrayOf<'bool'> {
  const prefix = prefixLengthOf(configuration);
  const length = prefix + imageTokens;
  const allowed = allowedDistances(pattern, configuration.grid, convolutionKernelOf(configuration));
  const mask = new Uint8Array(length * length);
  for (let query = 0; query < length; query += 1) {
    for (let key = 0; key <= query; key += 1) {
      if (key < prefix || allowed[query - key]) mask[query * length + key] = 1;
    }
  }
  return boolArray([length, length], mask);
}

/**
 * The joint mask cut for decoding in spans of `span` tokens (a row of the grid, or one token): bool
 * [positions, prefix + positions + span], what an image token may see of the cache, which ends before its own span, and of
 * its own span.
 */
export function decodeMask(configuration: PriorConfiguration, pattern: AttentionPattern, span: number): HostArrayOf<'bool'> {
  const prefix = prefixLengthOf(configuration);
  const positions = imageLengthOf(configuration);
  const width = prefix + positions + span;
  const allowed = allowedDistances(pattern, configuration.grid, convolutionKernelOf(configuration));
  const mask = new Uint8Array(positions * width);
  for (let query = 0; query < positions; query += 1) {
    const spanStart = query - (query % span);
    const row = mask.subarray(query * width, (query + 1) * width);
    row.fill(1, 0, prefix);
    for (let key = 0; key <= query; key += 1) {
      if (allowed[query - key]) row[key < spanStart ? prefix + key : prefix + positions + key - spanStart] = 1;
    }
  }
  return boolArray([positions, width], mask);
}
