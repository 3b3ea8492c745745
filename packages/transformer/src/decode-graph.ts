import {
  add,
  broadcastTo,
  concat,
  createParameterTree,
  type Graph,
  gather,
  greaterOrEqual,
  loop,
  maskScores,
  maximum,
  multiply,
  type ParameterScope,
  reduceSum,
  replaceSlice,
  reshape,
  type Shape,
  sliceAxis,
  softmax,
  type Tensor,
  type TraceScope,
  trace,
  transpose,
  where,
} from '@tesserae/core';
import { stableSoftmax } from './blocks/stable.js';
import { type KeysAndValues, runStack } from './blocks/stack.js';
import { cacheLayout, cacheMask, ownPositions } from './cache-layout.js';
import { declareCondition } from './condition.js';
import { type AttentionPattern, choicesOf, layerPatterns, type PriorConfiguration, prefixLengthOf } from './configuration.js';
import { fillMemory, readMemory, withoutHidden } from './decode-memory.js';
import { embedImageAt } from './embeddings.js';
import {
  beginCache,
  type CacheStorage,
  cacheStorage,
  columnsOfPositions,
  type DecodeBatch,
  joinTokens,
  onePosition,
  type PastReader,
  positionAxis,
  readPast,
  scorePiece,
  spanPlaces,
  weighPiece,
  writeSpan,
} from './layer-cache.js';
import { changeScores, type SamplingPlan, sampleTokens, samplingInputs } from './sampling.js';
import { stackShape } from './stack-shapes.js';
import { jointStream, outputLogits, type StreamObserver } from './transformer.js';

/** Names of the values that stay on the device between the calls of one decoding. */
export const decodeStateNames = {
  keys: (layer: number): string => `cache.${layer}.keys`,
  values: (layer: number): string => `cache.${layer}.values`,
  /** What stands before the picture, where candidates share it (`CacheStorage`). */
  keysBefore: (layer: number): string => `before.${layer}.keys`,
  valuesBefore: (layer: number): string => `before.${layer}.values`,
  /** float32 [branches·candidates, codebookSize]: the scores of the next image token, before guidance mixes them. */
  logits: 'logits',
} as const;

/** How each layer's keys and values are stored. */
export function layerStorages(configuration: PriorConfiguration, batch: DecodeBatch): readonly CacheStorage[] {
  const storages = new Map<AttentionPattern, CacheStorage>();
  return layerPatterns(configuration).map((pattern) => {
    const storage = storages.get(pattern) ?? cacheStorage(configuration, cacheLayout(configuration, pattern, batch.span), batch);
    storages.set(pattern, storage);
    return storage;
  });
}

export function logitsShape(configuration: PriorConfiguration, { candidates, branches }: DecodeBatch): readonly number[] {
  return [branches * candidates, configuration.codebookSize];
}

/** Σ weight·logits over the branches: [branches·candidates, codes] → [candidates, codes]. */
function mixBranches(logits: Tensor, weights: Tensor, { candidates, branches }: DecodeBatch): Tensor {
  // Weights add up to 1 (`checkRequest`).
  if (branches === 1) return logits;
  const byBranch = reshape(logits, [branches, candidates, logits.shape[1] ?? 0]);
  return reduceSum(multiply(byBranch, reshape(weights, [branches, 1, 1])), { axes: [0] });
}

/** Each of `groups` rows as many times as it takes to fill the batch: [groups, …] → [groups·copies, …]. */
function repeatRows(x: Tensor, copies: number): Tensor {
  const [groups = 0, ...rest] = x.shape;
  return copies === 1 ? x : reshape(broadcastTo(reshape(x, [groups, 1, ...rest]), [groups, copies, ...rest]), [groups * copies, ...rest]);
}

/**
 * Text and the first `known` image tokens in one pass; fills the caches and the next position's logits.
 * Where all candidates begin alike (`shared`), each branch is computed once and copied.
 * Inputs: those of the condition (`declareCondition`), `codes` int32 [rows, known] if known > 0, `weights` float32 [branches];
 * rows = branches or branches·candidates. Result: `scores` float32 [candidates, codebookSize], guidance mixed in.
 */
export function prefillGraph(configuration: PriorConfiguration, batch: DecodeBatch, options: { readonly known: number; readonly shared: boolean }): Graph {
  const { known, shared } = options;
  const rows = shared ? batch.branches : batch.branches * batch.candidates;
  const copies = shared ? batch.candidates : 1;
  const storages = layerStorages(configuration, batch);
  const prefix = prefixLengthOf(configuration);
  return trace('prefill', (scope) => {
    const parameters = createParameterTree(scope, 'constant').root;
    const given = declareCondition(scope, configuration, rows);
    const codes = known === 0 ? undefined : scope.input('codes', [rows, known], 'int32');
    const weights = scope.input('weights', [batch.branches]);
    const fill = (name: string, value: Tensor | undefined): void => {
      if (value === undefined) return;
      scope.state(name, value.shape);
      scope.assign(name, value);
    };
    const observer: StreamObserver = {
      ...fillMemory(scope, configuration, given, batch, (x) => repeatRows(x, copies)),
      keep({ keys, values }, layer) {
        const storage = storages[layer];
        if (storage === undefined) return;
        const [firstKeys, firstValues] = [beginCache(keys, prefix, storage, batch), beginCache(values, prefix, storage, batch)];
        fill(decodeStateNames.keysBefore(layer), firstKeys.before);
        fill(decodeStateNames.valuesBefore(layer), firstValues.before);
        fill(decodeStateNames.keys(layer), firstKeys.image);
        fill(decodeStateNames.values(layer), firstValues.image);
      },
    };
    const last = jointStream(parameters, configuration, given, codes, { observer, asked: 'last' });
    const logits = repeatRows(codeLogits(parameters, configuration, reshape(last, [rows, configuration.width])), copies);
    scope.state(decodeStateNames.logits, logits.shape);
    scope.assign(decodeStateNames.logits, logits);
    scope.output('scores', mixBranches(logits, weights, batch));
  });
}

/** Scores of the codes that can be sampled: [rows, width] → [rows, codebookSize]. */
function codeLogits(parameters: ParameterScope, configuration: PriorConfiguration, x: Tensor): Tensor {
  return sliceAxis(outputLogits(parameters, configuration, 'image', x), 1, 0, configuration.codebookSize);
}

/** A value a candidate, for every branch: [candidates] → [branches·candidates]. */
function repeatBranches(x: Tensor, branches: number): Tensor {
  const candidates = x.shape[0] ?? 0;
  return reshape(broadcastTo(reshape(x, [1, candidates]), [branches, candidates]), [branches * candidates]);
}

interface LayerCache {
  readonly storage: CacheStorage;
  /** The array that spans are written into, or the window that the loop carries. */
  readonly image: KeysAndValues;
  readonly reader: PastReader;
  /** bool by image position (`cacheMask`). */
  readonly mask: Tensor;
  /** Which of the condition's positions are looked at, where not all are (`DecodeMemory.prefixMask`). */
  readonly prefixMask: Tensor | undefined;
  readonly normalise: typeof softmax;
}

/** softmax over the pieces of the cache and the span's own keys together, without copying them to join them. */
function attendCached(queries: Tensor, cache: LayerCache, own: KeysAndValues, { position, column }: { readonly position: Tensor; readonly column: Tensor }): Tensor {
  const pieces = [...cache.reader.at(column), own];
  const products = concat(
    pieces.map(({ keys }) => scorePiece(queries, keys)),
    3,
  );
  // Scaled behind the products: ONNX Runtime takes a scale before them into its product, and one with a scale is not done by its routine
  // for single rows, which is twice as fast (1.30).
  const scores = multiply(products, 1 / Math.sqrt(queries.shape[3] ?? 1));
  const seen = gather(cache.mask, position);
  const weights = cache.normalise(maskScores(scores, cache.prefixMask === undefined ? seen : withoutHidden(seen, cache.prefixMask)));
  let start = 0;
  const parts = pieces.map(({ values }) => {
    const length = values.shape[positionAxis(values.shape)] ?? 0;
    start += length;
    return weighPiece(sliceAxis(weights, 3, start - length, length), values);
  });
  return parts.reduce(add);
}

function layerCaches(scope: TraceScope, configuration: PriorConfiguration, batch: DecodeBatch, prefixMask: Tensor | undefined): LayerCache[] {
  const normalise = choicesOf(configuration).stable ? stableSoftmax : softmax;
  const patterns = layerPatterns(configuration);
  // Layers of one pattern share its tables: engines then look them up once a token, not once a layer.
  const masks = new Map([...new Set(patterns)].map((pattern) => [pattern, scope.literal(cacheMask(configuration, pattern, batch.span))] as const));
  const storages = layerStorages(configuration, batch);
  const state = (shape: Shape, keys: string, values: string): KeysAndValues => ({ keys: scope.state(keys, shape), values: scope.state(values, shape) });
  return storages.flatMap((storage, layer) => {
    const mask = masks.get(patterns[layer] ?? 'full');
    if (mask === undefined) return [];
    const before = storage.before === undefined ? undefined : state(storage.before, decodeStateNames.keysBefore(layer), decodeStateNames.valuesBefore(layer));
    const image = state(storage.image, decodeStateNames.keys(layer), decodeStateNames.values(layer));
    return [{ storage, image, reader: readPast(storage, before, image), mask, prefixMask, normalise }];
  });
}

/**
 * Decodes `span` tokens (a row of the grid, or one) in a loop inside the graph. Each iteration mixes the branches,
 * changes the scores, samples, and runs the model one token further. The caches are only read in the loop, which
 * carries the span's own keys and values; afterwards they are written over a part of the caches, which an engine can do in place.
 * A layer keeps and reads only what its pattern looks at (`cache-layout.ts`), so that a call costs as much for the last row as for the first.
 *
 * Inputs: `span` int32 scalar (which span), `known` int32 [candidates, span] (−1 = free), `weights` float32 [branches],
 * and those of the sampling plan (`samplingInputs`). Results: `tokens` int32 [candidates, span]; `scores` float32
 * [candidates, codebookSize] of the position after the span, guidance mixed in.
 */
export function decodeSpanGraph(configuration: PriorConfiguration, batch: DecodeBatch, plan: SamplingPlan): Graph {
  const { candidates, branches, span } = batch;
  const { width, heads } = configuration;
  const shape = stackShape(configuration);
  return trace('decode-span', (scope) => {
    const parameters = createParameterTree(scope, 'constant').root;
    const spanIndex = scope.input('span', [], 'int32');
    const known = scope.input('known', [candidates, span], 'int32');
    const weights = scope.input('weights', [branches]);
    const sampling = samplingInputs(scope, plan, [candidates, span]);
    const memory = readMemory(scope, configuration, batch);
    const caches = layerCaches(scope, configuration, batch, memory.prefixMask);
    const columns = scope.literal(columnsOfPositions(configuration));
    const firstLogits = scope.state(decodeStateNames.logits, logitsShape(configuration, batch));
    const emptyBuffer = broadcastTo(scope.literal(0), [branches, heads, ...(candidates === 1 ? [] : [candidates]), span, shape.headSize]);
    const along = positionAxis(emptyBuffer.shape);
    // Layers that look at more of the span than their own token carry its keys and values, or their window; the others only leave them behind.
    const carriedOf = ({ storage: { layout }, image }: LayerCache): readonly Tensor[] => {
      if (layout.kind === 'window') return [image.keys, image.values];
      return ownPositions(layout, span) > 1 ? [emptyBuffer, emptyBuffer] : [];
    };
    const firstBuffers = caches.map(carriedOf);
    const bufferOf = (layer: number): number => firstBuffers.slice(0, layer).flat().length;
    const buffered = bufferOf(caches.length);
    const windows = new Set(caches.map(({ storage }) => storage).filter(({ layout }) => layout.kind === 'window'));
    const windowPlaces = new Map([...windows].map((storage) => [storage, scope.literal(spanPlaces(configuration, storage, 1))] as const));

    const carriedFirst = [firstLogits, ...firstBuffers.flat(), ...memory.carried];
    const decoded = loop(scope, span, carriedFirst, (index, [logits = firstLogits, ...buffers]) => {
      const position = add(multiply(spanIndex, span), index);
      const at = { position, column: gather(columns, position) };
      const scores = changeScores(plan.changes, mixBranches(logits, weights, batch), position);
      const given = gather(known, index, 1);
      const token = where(greaterOrEqual(given, 0), given, sampleTokens(scores, plan, sampling, index));
      const updated: Tensor[] = [];
      const left: Tensor[] = [];
      const remembered: Tensor[] = [];
      // The candidates of a branch are its tokens: they meet what stands before the picture in one product. Where no token could be drawn
      // (−1) the rest of the span is worth nothing, and told so; it is computed with a code that there is.
      const input = reshape(embedImageAt(parameters, configuration, repeatBranches(maximum(token, 0), branches), position), [branches, candidates, width]);
      const stream = runStack(parameters, shape, input, {
        ...memory.at(position, buffers.slice(buffered), remembered),
        attend(queries, made, layer) {
          const own = { keys: onePosition(made.keys), values: onePosition(made.values) };
          const cache = caches[layer];
          if (cache === undefined) return made.values;
          if (firstBuffers[layer]?.length === 0) {
            left.push(own.keys, own.values);
            return attendCached(queries, cache, own, at);
          }
          const [oldKeys = emptyBuffer, oldValues = emptyBuffer] = buffers.slice(bufferOf(layer));
          const places = windowPlaces.get(cache.storage);
          const place = places === undefined ? index : gather(places, position);
          const keys = replaceSlice(oldKeys, own.keys, place, along);
          const values = replaceSlice(oldValues, own.values, place, along);
          updated.push(keys, values);
          return attendCached(queries, cache, { keys, values }, at);
        },
      });
      const next = codeLogits(parameters, configuration, reshape(stream, [branches * candidates, width]));
      return { carried: [next, ...updated, ...remembered], stacked: [token, ...left] };
    });

    const [lastLogits = firstLogits, ...buffers] = decoded.carried;
    const [tokens, ...left] = decoded.stacked;
    const made = [...buffers.slice(0, buffered)];
    const column = gather(columns, multiply(spanIndex, span));
    const places = new Map<CacheStorage, Tensor>();
    caches.forEach(({ image, storage }, layer) => {
      const [keys = emptyBuffer, values = emptyBuffer] = firstBuffers[layer]?.length === 0 ? left.splice(0, 2).map(joinTokens) : made.splice(0, 2);
      if (storage.layout.kind === 'window') {
        scope.assign(decodeStateNames.keys(layer), keys);
        scope.assign(decodeStateNames.values(layer), values);
        return;
      }
      const place = places.get(storage) ?? gather(scope.literal(spanPlaces(configuration, storage, span)), spanIndex);
      places.set(storage, place);
      scope.assign(decodeStateNames.keys(layer), writeSpan(storage, image.keys, keys, { place, column }));
      scope.assign(decodeStateNames.values(layer), writeSpan(storage, image.values, values, { place, column }));
    });
    memory.write(buffers.slice(buffered));
    scope.assign(decodeStateNames.logits, lastLogits);
    if (tokens !== undefined) scope.output('tokens', transpose(tokens, [1, 0]));
    scope.output('scores', mixBranches(lastLogits, weights, batch));
  });
}
