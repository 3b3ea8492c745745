import { boolArray, type Grid, type HostArrayOf } from '@tesserae/core';
import { type AttentionPattern, type PriorConfiguration, prefixLengthOf } from './configuration.js';

/** The side of the paper's convolutional pattern (Appendix B.1). */
const paperKernel = 11;
/** The side of DALLE-pytorch's. */
const convLikeKernel = 5;

/** The paper's kernel, or the largest odd one that fits a small grid. */
export function convolutionKernelOf({ grid, convolutionKernel }: Pick<PriorConfiguration, 'grid' | 'convolutionKernel'>): number {
  const side = Math.min(grid.rows, grid.columns);
  return convolutionKernel ?? Math.min(paperKernel, side % 2 === 1 ? side : Math.max(1, side - 1));
}

/** Whether the image token at raster position `query` looks at the one at `key`. */
export type ImagePattern = (query: number, key: number) => boolean;

/**
 * A pattern's rule on a grid. No token looks at later ones. The paper's patterns are sets of raster distances
 * (query − key), so they wrap around the ends of rows (Figure 11):
 * row: 0 … W, the last being the token above; column: multiples of W; convolutional: r·W + c ≥ 0 with |r|, |c| ≤ ⌊k/2⌋.
 * DALLE-pytorch's do not wrap: the own row; the own column; the k×k square whose lower right corner is the token. Nor does ru-dalle's
 * `neighbourhood`, of which the paper's convolutional pattern is the wrapped form.
 */
export function imagePattern(pattern: AttentionPattern, configuration: Pick<PriorConfiguration, 'grid' | 'convolutionKernel'>): ImagePattern {
  const { columns }: Grid = configuration.grid;
  const rowOf = (position: number): number => Math.floor(position / columns);
  switch (pattern) {
    case 'full':
      return (query, key) => key <= query;
    case 'row':
      return (query, key) => key <= query && query - key <= columns;
    case 'column':
    case 'axialColumn':
      return (query, key) => key <= query && (query - key) % columns === 0;
    case 'convolutional': {
      const half = Math.floor(convolutionKernelOf(configuration) / 2);
      const reached = new Uint8Array(half * columns + half + 1);
      for (let row = 0; row <= half; row += 1) {
        for (let column = -half; column <= half; column += 1) if (row * columns + column >= 0) reached[row * columns + column] = 1;
      }
      return (query, key) => key <= query && reached[query - key] === 1;
    }
    case 'axialRow':
      return (query, key) => key <= query && rowOf(query) === rowOf(key);
    case 'convLike': {
      const kernel = configuration.convolutionKernel ?? convLikeKernel;
      return (query, key) => {
        const across = (query % columns) - (key % columns);
        const down = rowOf(query) - rowOf(key);
        return down >= 0 && down < kernel && across >= 0 && across < kernel;
      };
    }
    case 'neighbourhood': {
      const half = Math.floor(convolutionKernelOf(configuration) / 2);
      return (query, key) => key <= query && rowOf(query) - rowOf(key) <= half && Math.abs((query % columns) - (key % columns)) <= half;
    }
    default:
      return pattern satisfies never;
  }
}

/**
 * The mask of a forward pass over what stands before the picture and the first `imageTokens` image tokens: bool
 * [length, length], true where the query (row) may look at the key (column); or [queries, length], that of the last `queries`
 * positions. Text looks at earlier text, images at all text and at earlier image tokens by the pattern.
 */
export function jointMask(configuration: PriorConfiguration, pattern: AttentionPattern, imageTokens: number, queries?: number): HostArrayOf<'bool'> {
  const prefix = prefixLengthOf(configuration);
  const length = prefix + imageTokens;
  const count = queries ?? length;
  const first = length - count;
  const looks = imagePattern(pattern, configuration);
  const mask = new Uint8Array(count * length);
  for (let query = first; query < length; query += 1) {
    for (let key = 0; key <= query; key += 1) {
      if (key < prefix || looks(query - prefix, key - prefix)) mask[(query - first) * length + key] = 1;
    }
  }
  return boolArray([count, length], mask);
}
