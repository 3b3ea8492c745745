import { boolArray, concat, gather, type HostArrayOf, int32Array, pad, reshape, type Shape, sliceAxis, type Tensor, transpose } from '@tesserae/core';
import { imagePattern } from './attention-patterns.js';
import type { KeysAndValues } from './blocks/stack.js';
import { type AttentionPattern, imageLengthOf, type PriorConfiguration, prefixLengthOf } from './configuration.js';

/**
 * What a layer keeps of the image tokens before the span that is being decoded, behind what stands before the picture,
 * which every layer keeps.
 */
export interface CacheLayout {
  /**
   * `whole`: every position at its place, and all are read.
   * `ring`: the last few spans, each in the place of the one that is no longer looked at, and all are read.
   * `column`: every position at its place, and a token reads the ones above it.
   */
  readonly kind: 'whole' | 'ring' | 'column';
  /** How many image positions are kept. */
  readonly positions: number;
}

/** How far before its span a pattern's tokens look at most. */
function reachOf(configuration: PriorConfiguration, pattern: AttentionPattern, span: number): number {
  const looks = imagePattern(pattern, configuration);
  let reach = 0;
  for (let query = 0; query < imageLengthOf(configuration); query += 1) {
    const start = query - (query % span);
    // The farthest key decides, and no key before the farthest one found so far is of interest.
    for (let key = 0; key < start - reach; key += 1) if (looks(query, key)) reach = start - key;
  }
  return reach;
}

/** The least that decoding in spans of `span` tokens (a row of the grid, or one token) needs for a pattern. */
export function cacheLayout(configuration: PriorConfiguration, pattern: AttentionPattern, span: number): CacheLayout {
  const positions = imageLengthOf(configuration);
  if (pattern === 'column' || pattern === 'axialColumn') return { kind: 'column', positions };
  const ring = Math.ceil(reachOf(configuration, pattern, span) / span) * span;
  // The last span is never before another.
  return ring < positions - span ? { kind: 'ring', positions: ring } : { kind: 'whole', positions };
}

/** Keys that a token meets of the cache: those before the picture, and these. */
function readPositions({ kind, positions }: CacheLayout, { grid }: PriorConfiguration): number {
  return kind === 'column' ? grid.rows : positions;
}

/** Keys that a token meets of its own span. */
export const ownPositions = ({ kind }: CacheLayout, span: number): number => (kind === 'column' ? 1 : span);

/**
 * The joint mask (`jointMask`) cut to what is read: bool [positions, prefix + read + own], what an image token may see of
 * what stands before the picture, of its layer's cache and of its own span.
 */
export function cacheMask(configuration: PriorConfiguration, pattern: AttentionPattern, span: number): HostArrayOf<'bool'> {
  const layout = cacheLayout(configuration, pattern, span);
  const { columns } = configuration.grid;
  const prefix = prefixLengthOf(configuration);
  const positions = imageLengthOf(configuration);
  const read = readPositions(layout, configuration);
  const own = ownPositions(layout, span);
  const width = prefix + read + own;
  const looks = imagePattern(pattern, configuration);
  const mask = new Uint8Array(positions * width);
  for (let query = 0; query < positions; query += 1) {
    const start = query - (query % span);
    const row = mask.subarray(query * width, (query + 1) * width);
    row.fill(1, 0, prefix);
    const keyAt = {
      whole: (index: number) => index,
      // The last position before the span that has this place.
      ring: (index: number) => start - 1 - ((start - 1 - index + read) % read),
      column: (index: number) => index * columns + (query % columns),
    }[layout.kind];
    const end = layout.kind === 'column' ? query : start;
    for (let index = 0; index < read; index += 1) {
      const key = keyAt(index);
      if (key >= 0 && key < end && looks(query, key)) row[prefix + index] = 1;
    }
    const first = layout.kind === 'column' ? query : start;
    for (let index = 0; index < own; index += 1) if (looks(query, first + index)) row[prefix + read + index] = 1;
  }
  return boolArray([positions, width], mask);
}

/** Where in the cache each token's column lies: int32 [positions, rows]. */
export function columnPlaces(configuration: PriorConfiguration): HostArrayOf<'int32'> {
  const { rows, columns } = configuration.grid;
  const prefix = prefixLengthOf(configuration);
  const positions = imageLengthOf(configuration);
  return int32Array(
    [positions, rows],
    Int32Array.from({ length: positions * rows }, (_, index) => prefix + (index % rows) * columns + (Math.floor(index / rows) % columns)),
  );
}

/** Shape of a layer's keys, or values: `rows` are branches·candidates. */
export function cacheShape(configuration: PriorConfiguration, { positions }: CacheLayout, rows: number, headSize: number): Shape {
  return [rows, configuration.heads, prefixLengthOf(configuration) + positions, headSize];
}

/** The first cache after a forward pass over the beginning: [rows, heads, prefix + known, headSize] → `cacheShape`. */
export function beginCache(all: Tensor, prefix: number, { positions }: CacheLayout): Tensor {
  const known = (all.shape[2] ?? 0) - prefix;
  if (known <= positions) return pad(all, [0, 0, 0, 0], [0, 0, positions - known, 0]);
  const before = sliceAxis(all, 2, 0, prefix);
  if (positions === 0) return before;
  // A ring that has been gone round: the latest tokens lie from its beginning on, older ones behind them.
  const latest = known % positions;
  const older = sliceAxis(all, 2, prefix + known - positions, positions - latest);
  return concat(latest === 0 ? [before, older] : [before, sliceAxis(all, 2, prefix + known - latest, latest), older], 2);
}

/** Where in the cache each span's tokens go: int32 [spans]. They are written over a part of it, which an engine can do in place. */
export function spanPlaces(configuration: PriorConfiguration, { positions }: CacheLayout, span: number): HostArrayOf<'int32'> {
  const prefix = prefixLengthOf(configuration);
  const spans = imageLengthOf(configuration) / span;
  return int32Array(
    [spans],
    Int32Array.from({ length: spans }, (_, index) => prefix + (positions === 0 ? 0 : (index * span) % positions)),
  );
}

/** One layer's keys and values before the span, as a decoding program reads them. */
export interface PastReader {
  /** The pieces that the token at `position` reads, in the mask's order. */
  at(position: Tensor): readonly KeysAndValues[];
}

export const readWhole = (past: KeysAndValues): PastReader => ({ at: () => [past] });

/** `places` is `columnPlaces` on the graph. */
export function readColumns(past: KeysAndValues, prefix: number, places: Tensor): PastReader {
  // Cut once a span, outside the loop; a token's column is a few rows, copied for it.
  const before = { keys: sliceAxis(past.keys, 2, 0, prefix), values: sliceAxis(past.values, 2, 0, prefix) };
  return {
    at(position) {
      const column = gather(places, position);
      return [before, { keys: gather(past.keys, column, 2), values: gather(past.values, column, 2) }];
    },
  };
}

/** The keys, or values, of a span's tokens one behind the other: [span, rows, heads, 1, headSize] → [rows, heads, span, headSize]. */
export function joinTokens(stacked: Tensor): Tensor {
  const [span = 0, rows = 0, heads = 0, , headSize = 0] = stacked.shape;
  return transpose(reshape(stacked, [span, rows, heads, headSize]), [1, 2, 0, 3]);
}
