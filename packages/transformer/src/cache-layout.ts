import { boolArray, type HostArrayOf } from '@tesserae/core';
import { imagePattern } from './attention-patterns.js';
import { type AttentionPattern, imageLengthOf, type PriorConfiguration, prefixLengthOf } from './configuration.js';

/**
 * What a layer keeps of the image tokens before the span that is being decoded, behind what stands before the picture,
 * which every layer keeps.
 */
export interface CacheLayout {
  /**
   * `window`: the last few positions, the token's own among them, each in the place of the one that is no longer looked at; all are read. The
   * loop over a span carries it, for which it has to be small.
   * `whole`: every position at its place, and all are read.
   * `ring`: the last few spans, each in the place of the one that is no longer looked at, and all are read.
   * `column`: every position at its place, and a token reads the ones above it.
   */
  readonly kind: 'window' | 'whole' | 'ring' | 'column';
  /** How many image positions are kept. */
  readonly positions: number;
}

/**
 * How far before its span a pattern's tokens look at most. Every row looks back alike, as far as there are rows before it (`imagePattern`):
 * asking the last one is enough, and a model is opened the sooner.
 */
function reachOf(configuration: PriorConfiguration, pattern: AttentionPattern, span: number): number {
  const looks = imagePattern(pattern, configuration);
  const positions = imageLengthOf(configuration);
  let reach = 0;
  for (let query = positions - configuration.grid.columns; query < positions; query += 1) {
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
  const window = reachOf(configuration, pattern, 1) + 1;
  // No more than the row, and the one above, that a loop over a row would carry anyway.
  if (window <= configuration.grid.columns + 1) return { kind: 'window', positions: window };
  const ring = Math.ceil(reachOf(configuration, pattern, span) / span) * span;
  // The last span is never before another.
  return ring < positions - span ? { kind: 'ring', positions: ring } : { kind: 'whole', positions };
}

/** Keys that a token meets of what was kept before its span: those before the picture, and these. */
function readPositions({ kind, positions }: CacheLayout, { grid }: PriorConfiguration): number {
  if (kind === 'window') return 0;
  return kind === 'column' ? grid.rows : positions;
}

/** Keys that a token meets of its own span, or of its window. */
export function ownPositions({ kind, positions }: CacheLayout, span: number): number {
  if (kind === 'window') return positions;
  return kind === 'column' ? 1 : span;
}

/** The last of 0, 1, … `position` that has the place `index` of `places`: below 0 if none has. */
const lastAt = (index: number, position: number, places: number): number => position - ((position - index + places) % places);

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
  const readAt: Readonly<Record<CacheLayout['kind'], (index: number, query: number, start: number) => number>> = {
    window: () => -1,
    whole: (index) => index,
    ring: (index, _, start) => lastAt(index, start - 1, read),
    column: (index, query) => index * columns + (query % columns),
  };
  const ownAt: Readonly<Record<CacheLayout['kind'], (index: number, query: number, start: number) => number>> = {
    window: (index, query) => lastAt(index, query, own),
    whole: (index, _, start) => start + index,
    ring: (index, _, start) => start + index,
    column: (_, query) => query,
  };
  for (let query = 0; query < positions; query += 1) {
    const start = query - (query % span);
    const row = mask.subarray(query * width, (query + 1) * width);
    row.fill(1, 0, prefix);
    const first = layout.kind === 'column' ? query : start;
    for (let index = 0; index < read; index += 1) {
      const key = readAt[layout.kind](index, query, start);
      if (key >= 0 && key < first && looks(query, key)) row[prefix + index] = 1;
    }
    for (let index = 0; index < own; index += 1) {
      const key = ownAt[layout.kind](index, query, start);
      if (key >= 0 && looks(query, key)) row[prefix + read + index] = 1;
    }
  }
  return boolArray([positions, width], mask);
}
