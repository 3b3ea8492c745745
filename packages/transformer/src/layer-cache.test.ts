import { float32Array, type HostArray, trace } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { jointMask } from './attention-patterns.js';
import { type AttentionPattern, type PriorConfiguration, patternNames, prefixLengthOf } from './configuration.js';
import { beginCache, type CacheLayout, cacheLayout, cacheMask, columnPlaces, spanPlaces } from './layer-cache.js';

const allPatterns = Object.keys(patternNames) as AttentionPattern[];
const configuration: PriorConfiguration = { ...tinyConfiguration, grid: { rows: 5, columns: 3 }, convolutionKernel: 3 };
const prefix = prefixLengthOf(configuration);
const { rows, columns } = configuration.grid;
const positions = rows * columns;

/** Keys that stand for where they came from: 1 + position, the text before the picture first. */
const labels = (first: number, count: number): HostArray =>
  float32Array(
    [1, 1, count, 1],
    Float32Array.from({ length: count }, (_, index) => 1 + first + index),
  );

function begin(all: HostArray, layout: CacheLayout): HostArray {
  const graph = trace('begin', (scope) => scope.output('cache', beginCache(scope.input('all', all.shape), prefix, layout)));
  const { cache } = evaluateGraph(graph, { inputs: { all }, constants: new Map() }).outputs;
  if (cache === undefined) throw new RangeError('no cache');
  return cache;
}

/** The positions, counted from the text's first, that the token `query` of a picture can see through its layer's cache and its own span. */
function seenThroughCache(pattern: AttentionPattern, cache: HostArray, query: number, span: number): number[] {
  const layout = cacheLayout(configuration, pattern, span);
  const { data, shape } = cacheMask(configuration, pattern, span);
  const mask = data.subarray(query * (shape[1] ?? 0), (query + 1) * (shape[1] ?? 0));
  const places = columnPlaces(configuration).data.subarray(query * rows, (query + 1) * rows);
  const kept = Array.from(cache.data);
  const read = layout.kind === 'column' ? [...kept.slice(0, prefix), ...Array.from(places, (place) => kept[place] ?? 0)] : kept;
  const ownStart = layout.kind === 'column' ? query : query - (query % span);
  const own = Array.from({ length: mask.length - read.length }, (_, index) => 1 + prefix + ownStart + index);
  return [...read, ...own].flatMap((label, index) => (mask[index] ? [label - 1] : [])).sort((a, b) => a - b);
}

describe.each(allPatterns)('the cache of %s attention', (pattern) => {
  const joint = jointMask(configuration, pattern, positions);
  const seenByMask = (query: number): number[] =>
    Array.from({ length: prefix + positions }, (_, key) => key).filter((key) => joint.data[(prefix + query) * (prefix + positions) + key]);

  it.each([
    [1, 0],
    [1, columns],
    [columns, 0],
    [columns, columns],
    [columns, 3 * columns],
    [1, 3 * columns],
  ])('shows what the joint mask shows, in spans of %i tokens after a beginning of %i', (span, known) => {
    const layout = cacheLayout(configuration, pattern, span);
    const cache = begin(labels(0, prefix + known), layout);
    for (let start = known; start < positions; start += span) {
      for (let query = start; query < start + span; query += 1) expect(seenThroughCache(pattern, cache, query, span)).toEqual(seenByMask(query));
      if (layout.positions > 0) cache.data.set(labels(prefix + start, span).data, spanPlaces(configuration, layout, span).data[start / span]);
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
