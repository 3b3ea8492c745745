import { float32Array, trace } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { jointMask } from './attention-patterns.js';
import { cacheLayout, cacheMask } from './cache-layout.js';
import { type AttentionPattern, type PriorConfiguration, patternNames, prefixLengthOf } from './configuration.js';
import { beginCache, type CacheStorage, cacheStorage, columnPlaces, type DecodeBatch, spanPlaces } from './layer-cache.js';

const allPatterns = Object.keys(patternNames) as AttentionPattern[];
const configuration: PriorConfiguration = { ...tinyConfiguration, grid: { rows: 5, columns: 3 }, convolutionKernel: 3 };
const prefix = prefixLengthOf(configuration);
const { rows, columns } = configuration.grid;
const positions = rows * columns;

/** Keys that stand for where they came from: 1 + position, the text before the picture first; the second candidate's image tokens have numbers of their own. */
const labelsOf = (first: number, count: number, candidate: number): number[] =>
  Array.from({ length: count }, (_, index) => 1 + first + index + (first + index >= prefix ? 1000 * candidate : 0));

interface Kept {
  /** What stands before the picture, if it is kept apart. */
  readonly before: readonly number[];
  /** By candidate. */
  readonly image: readonly Float32Array[];
}

/** The cache after a beginning of `known` tokens for every candidate. */
function begin(storage: CacheStorage, batch: DecodeBatch, known: number): Kept {
  const { candidates } = batch;
  const all = float32Array([candidates, 1, prefix + known, 1], Array.from({ length: candidates }, (_, candidate) => labelsOf(0, prefix + known, candidate)).flat());
  const graph = trace('begin', (scope) => {
    const { before, image } = beginCache(scope.input('all', all.shape), prefix, storage, batch);
    if (before !== undefined) scope.output('before', before);
    if (image !== undefined) scope.output('image', image);
  });
  const { before, image } = evaluateGraph(graph, { inputs: { all }, constants: new Map() }).outputs;
  const length = (image?.data.length ?? 0) / candidates;
  return {
    before: Array.from(before?.data ?? []),
    image: Array.from({ length: candidates }, (_, candidate) => Float32Array.from(image?.data.subarray(candidate * length, (candidate + 1) * length) ?? [])),
  };
}

/** The labels that the token `query` of a picture can see through its layer's cache and its own span. */
function seenThroughCache(
  pattern: AttentionPattern,
  { storage, kept, candidate, query, span }: { storage: CacheStorage; kept: Kept; candidate: number; query: number; span: number },
): number[] {
  const isColumn = storage.layout.kind === 'column';
  const { data, shape } = cacheMask(configuration, pattern, span);
  const mask = data.subarray(query * (shape[1] ?? 0), (query + 1) * (shape[1] ?? 0));
  const image = Array.from(kept.image[candidate] ?? []);
  const places = columnPlaces(configuration, storage).data.subarray(query * rows, (query + 1) * rows);
  const read = [...kept.before, ...(isColumn ? [...image.slice(0, storage.offset), ...Array.from(places, (place) => image[place] ?? 0)] : image)];
  const ownStart = isColumn ? query : query - (query % span);
  const own = labelsOf(prefix + ownStart, mask.length - read.length, candidate);
  return [...read, ...own].flatMap((label, index) => (mask[index] ? [label] : [])).sort((a, b) => a - b);
}

describe.each(allPatterns)('the cache of %s attention', (pattern) => {
  const joint = jointMask(configuration, pattern, positions);
  const seenByMask = (query: number, candidate: number): number[] =>
    labelsOf(0, prefix + positions, candidate).filter((_, key) => joint.data[(prefix + query) * (prefix + positions) + key]);

  it.each([
    [1, 0, 1],
    [1, columns, 1],
    [1, 3 * columns, 2],
    [columns, 0, 1],
    [columns, 0, 2],
    [columns, columns, 2],
    [columns, 3 * columns, 1],
    [columns, 3 * columns, 2],
  ])('shows what the joint mask shows, in spans of %i tokens after a beginning of %i, to each of %i candidates', (span, known, candidates) => {
    const batch = { candidates, branches: 1, span };
    const storage = cacheStorage(configuration, cacheLayout(configuration, pattern, span), batch);
    const kept = begin(storage, batch, known);
    for (let start = known; start < positions; start += span) {
      for (let candidate = 0; candidate < candidates; candidate += 1) {
        for (let query = start; query < start + span; query += 1) {
          expect(seenThroughCache(pattern, { storage, kept, candidate, query, span })).toEqual(seenByMask(query, candidate));
        }
        const place = spanPlaces(configuration, storage, span).data[start / span] ?? 0;
        if (storage.layout.positions > 0) kept.image[candidate]?.set(labelsOf(prefix + start, span, candidate), place);
      }
    }
  });
});

describe('what a cache keeps at the paper’s size', () => {
  const paper: PriorConfiguration = { ...tinyConfiguration, textLength: 256, grid: { rows: 32, columns: 32 } };

  it.each([
    ['full', 'whole', 1024],
    ['row', 'ring', 32],
    ['column', 'column', 1024],
    ['convolutional', 'ring', 192],
    ['axialRow', 'ring', 0],
    ['axialColumn', 'column', 1024],
    ['convLike', 'ring', 128],
  ] as const)('%s: %s, %i image positions', (pattern, kind, kept) => {
    expect(cacheLayout(paper, pattern, 32)).toEqual({ kind, positions: kept });
  });

  it.each([
    ['row', 257 + 32 + 32],
    ['column', 257 + 32 + 1],
    ['convolutional', 257 + 192 + 32],
  ] as const)('a token of %s meets %i keys, whatever its row', (pattern, met) => {
    expect(cacheMask(paper, pattern, 32).shape).toEqual([1024, met]);
  });
});
