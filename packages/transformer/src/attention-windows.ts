import { float32Array, type HostArrayOf, maskedScore } from '@tesserae/core';
import { type ImagePattern, imagePattern } from './attention-patterns.js';
import type { AttentionPattern, PriorConfiguration } from './configuration.js';

/** How image tokens are laid out so that what a token looks at lies close before it; undefined where it looks at everything. */
const orders: Readonly<Record<AttentionPattern, AttentionWindows['order'] | undefined>> = {
  full: undefined,
  row: 'rows',
  column: 'columns',
  convolutional: 'rows',
  axialRow: 'rows',
  axialColumn: 'columns',
  convLike: 'rows',
  neighbourhood: 'rows',
};

/**
 * A pattern cut for whole pictures at once: places for the image tokens, in an order of their own, in blocks as long as a row or a column.
 * A block's queries look at no more than the block itself and the `reach` places before it.
 */
export interface AttentionWindows {
  /** In raster order, a block a row; or column by column, a block a column. */
  readonly order: 'rows' | 'columns';
  readonly blocks: number;
  /** Places of a block. */
  readonly size: number;
  /** Places before the first image token, in raster order, which fill up the blocks. */
  readonly lead: number;
  readonly reach: number;
}

type PatternGrid = Pick<PriorConfiguration, 'grid' | 'convolutionKernel'>;

/** Raster position of the token at a place, negative for those of the lead. */
function rasterPosition({ order, blocks, size, lead }: Omit<AttentionWindows, 'reach'>, place: number): number {
  return (order === 'rows' ? place : (place % size) * blocks + Math.floor(place / size)) - lead;
}

function reachOf(windows: Omit<AttentionWindows, 'reach'>, looks: ImagePattern): number {
  const { blocks, size } = windows;
  let reach = 0;
  for (let query = 0; query < blocks * size; query += 1) {
    const start = query - (query % size);
    const position = rasterPosition(windows, query);
    for (let key = 0; key < start - reach; key += 1) {
      const other = rasterPosition(windows, key);
      if (other >= 0 && looks(position, other)) reach = start - key;
    }
  }
  return reach;
}

/** The windows over the first `imageTokens` of a picture; undefined where a token looks at everything before it. */
export function windowsOf(pattern: AttentionPattern, configuration: PatternGrid, imageTokens: number): AttentionWindows | undefined {
  const order = orders[pattern];
  if (order === undefined) return undefined;
  const { columns } = configuration.grid;
  const rows = Math.ceil(imageTokens / columns);
  const [blocks, size] = order === 'rows' ? [rows, columns] : [columns, rows];
  const laid = { order, blocks, size, lead: rows * columns - imageTokens };
  return { ...laid, reach: reachOf(laid, imagePattern(pattern, configuration)) };
}

/**
 * What is added to the scores of each block's queries and window: float32 [blocks, size, reach + size], 0 where the pattern
 * lets the query look at the key and `maskedScore` where not.
 */
export function windowBias(pattern: AttentionPattern, configuration: PatternGrid, windows: AttentionWindows): HostArrayOf<'float32'> {
  const { blocks, size, reach } = windows;
  const looks = imagePattern(pattern, configuration);
  const width = reach + size;
  const bias = new Float32Array(blocks * size * width).fill(maskedScore);
  for (let query = 0; query < blocks * size; query += 1) {
    const position = rasterPosition(windows, query);
    const start = query - (query % size) - reach;
    for (let key = Math.max(0, -start); key < width; key += 1) {
      const other = rasterPosition(windows, start + key);
      if (other >= 0 && looks(position, other)) bias[query * width + key] = 0;
    }
  }
  return float32Array([blocks, size, width], bias);
}

/** How many times more scores attention of `imageTokens` behind a prefix computes over everything than on windows. */
export function scoresSaved(prefix: number, imageTokens: number, { blocks, size, reach }: AttentionWindows): number {
  return (prefix + imageTokens) ** 2 / (prefix ** 2 + blocks * size * (prefix + reach + size));
}
