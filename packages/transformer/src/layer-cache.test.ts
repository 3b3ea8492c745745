import { float32Array, type HostArray, int32Array, type Tensor, type TraceScope, trace } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { jointMask } from './attention-patterns.js';
import type { KeysAndValues } from './blocks/stack.js';
import { cacheLayout, cacheMask } from './cache-layout.js';
import { type AttentionPattern, type PriorConfiguration, patternNames, prefixLengthOf } from './configuration.js';
import { beginCache, type CacheStorage, cacheStorage, columnsOfPositions, type DecodeBatch, readPast, spanPlaces, writeSpan } from './layer-cache.js';

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
  readonly before: HostArray | undefined;
  readonly image: HostArray;
}

const run = (build: (scope: TraceScope) => Readonly<Record<string, Tensor | undefined>>): Record<string, HostArray> =>
  evaluateGraph(
    trace('cache', (scope) => {
      for (const [name, value] of Object.entries(build(scope))) if (value !== undefined) scope.output(name, value);
    }),
    { inputs: {} },
  ).outputs;

function made(value: HostArray | undefined): HostArray {
  if (value === undefined) throw new RangeError('the graph gave no such value');
  return value;
}

/** The cache after a beginning of `known` tokens for every candidate. */
function begin(storage: CacheStorage, batch: DecodeBatch, known: number): Kept {
  const { candidates } = batch;
  const all = float32Array([candidates, 1, prefix + known, 1], Array.from({ length: candidates }, (_, candidate) => labelsOf(0, prefix + known, candidate)).flat());
  const { before, image } = run((scope) => ({ ...beginCache(scope.literal(all), prefix, storage, batch) }));
  return { before, image: made(image) };
}

/** The cache after one more span of every candidate, from the position `start` on. */
function goOn(storage: CacheStorage, { before, image }: Kept, { candidates, span }: DecodeBatch, start: number): Kept {
  const own = Array.from({ length: candidates }, (_, candidate) => labelsOf(prefix + start, span, candidate)).flat();
  const next = run((scope) => {
    const at = (value: number): Tensor => scope.literal(int32Array([], [value]));
    const tokens = scope.literal(float32Array([1, 1, ...(candidates === 1 ? [] : [candidates]), span, 1], own));
    return {
      image: writeSpan(storage, scope.literal(image), tokens, { place: at(spanPlaces(configuration, storage, span).data[start / span] ?? 0), column: at(start % columns) }),
    };
  });
  return { before, image: made(next.image) };
}

/** The labels that the token `query` of a picture can see through its layer's cache and its own span, or its window. */
function seenThroughCache(
  pattern: AttentionPattern,
  { storage, kept, candidate, query, span }: { storage: CacheStorage; kept: Kept; candidate: number; query: number; span: number },
): number[] {
  const { data, shape } = cacheMask(configuration, pattern, span);
  const mask = data.subarray(query * (shape[1] ?? 0), (query + 1) * (shape[1] ?? 0));
  const pieces = run((scope) => {
    const both = (array: HostArray): KeysAndValues => ({ keys: scope.literal(array), values: scope.literal(array) });
    const column = scope.literal(int32Array([], [columnsOfPositions(configuration).data[query] ?? 0]));
    const read = readPast(storage, kept.before === undefined ? undefined : both(kept.before), both(kept.image)).at(column);
    return Object.fromEntries([...read, ...(storage.layout.kind === 'window' ? [both(kept.image)] : [])].map(({ keys }, index) => [index, keys]));
  });
  const read = Object.values(pieces).flatMap(({ data, shape }) => {
    const length = shape[shape.length - 2] ?? 0;
    return Array.from(data).slice(...(data.length === length ? [0] : [candidate * length, (candidate + 1) * length]));
  });
  const ownStart = storage.layout.kind === 'column' ? query : query - (query % span);
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
    let kept = begin(storage, batch, known);
    // A window takes a token in before it is looked at; of the others a span sees what was kept before it.
    const isWindow = storage.layout.kind === 'window';
    const step = isWindow ? 1 : span;
    for (let start = known; start < positions; start += step) {
      const next = goOn(storage, kept, { ...batch, span: step }, start);
      if (isWindow) kept = next;
      for (let candidate = 0; candidate < candidates; candidate += 1) {
        for (let query = start; query < start + step; query += 1) {
          expect(seenThroughCache(pattern, { storage, kept, candidate, query, span })).toEqual(seenByMask(query, candidate));
        }
      }
      kept = next;
    }
  });
});

describe('what a cache keeps at the paper’s size', () => {
  const paper: PriorConfiguration = { ...tinyConfiguration, textLength: 256, grid: { rows: 32, columns: 32 } };

  it.each([
    ['full', 'whole', 1024],
    ['row', 'window', 33],
    ['column', 'column', 1024],
    ['convolutional', 'ring', 192],
    ['axialRow', 'window', 32],
    ['axialColumn', 'column', 1024],
    ['convLike', 'ring', 128],
  ] as const)('%s: %s, %i image positions', (pattern, kind, kept) => {
    expect(cacheLayout(paper, pattern, 32)).toEqual({ kind, positions: kept });
  });

  it.each([
    ['row', 257 + 33],
    ['column', 257 + 32 + 1],
    ['convolutional', 257 + 192 + 32],
  ] as const)('a token of %s meets %i keys, whatever its row', (pattern, met) => {
    expect(cacheMask(paper, pattern, 32).shape).toEqual([1024, met]);
  });
});
