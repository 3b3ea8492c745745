import {
  add,
  broadcastTo,
  concat,
  createParameterTree,
  type Graph,
  gather,
  greaterOrEqual,
  loop,
  maskedScore,
  matMul,
  multiply,
  type ParameterScope,
  pad,
  reduceSum,
  replaceSlice,
  reshape,
  sliceAxis,
  softmax,
  type Tensor,
  type TraceScope,
  trace,
  transpose,
  where,
} from '@tesserae/core';
import { decodeMask } from './attention-patterns.js';
import { stableSoftmax } from './blocks/stable.js';
import { type KeysAndValues, runStack } from './blocks/stack.js';
import { declareCondition } from './condition.js';
import { choicesOf, headSizeOf, imageLengthOf, layerPatterns, type PriorConfiguration, prefixLengthOf } from './configuration.js';
import { fillMemory, readMemory, withoutHidden } from './decode-memory.js';
import { embedImageAt } from './embeddings.js';
import { changeScores, type SamplingPlan, sampleTokens, samplingInputs } from './sampling.js';
import { stackShape } from './stack-shapes.js';
import { jointStream, outputLogits } from './transformer.js';

/** How many candidates are decoded together, and the guidance branches each is asked by. */
export interface DecodeBatch {
  readonly candidates: number;
  readonly branches: number;
}

/** Names of the values that stay on the device between the calls of one decoding. */
export const decodeStateNames = {
  keys: (layer: number): string => `cache.${layer}.keys`,
  values: (layer: number): string => `cache.${layer}.values`,
  /** float32 [branches·candidates, codebookSize]: the scores of the next image token, before guidance mixes them. */
  logits: 'logits',
} as const;

/** Shape of a cache: start of text, text and every image position, branch-major in the batch. */
export function cacheShape(configuration: PriorConfiguration, { candidates, branches }: DecodeBatch): readonly number[] {
  return [branches * candidates, configuration.heads, prefixLengthOf(configuration) + imageLengthOf(configuration), headSizeOf(configuration)];
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
  const free = imageLengthOf(configuration) - known;
  return trace('prefill', (scope) => {
    const parameters = createParameterTree(scope, 'constant').root;
    const given = declareCondition(scope, configuration, rows);
    const codes = known === 0 ? undefined : scope.input('codes', [rows, known], 'int32');
    const weights = scope.input('weights', [batch.branches]);
    const fill = (name: string, value: Tensor): void => {
      scope.state(name, cacheShape(configuration, batch));
      scope.assign(name, pad(repeatRows(value, copies), [0, 0, 0, 0], [0, 0, free, 0]));
    };
    const stream = jointStream(parameters, configuration, given, codes, {
      ...fillMemory(scope, configuration, given, batch.branches * batch.candidates, (x) => repeatRows(x, copies)),
      keep({ keys, values }, layer) {
        fill(decodeStateNames.keys(layer), keys);
        fill(decodeStateNames.values(layer), values);
      },
    });
    const last = reshape(sliceAxis(stream, 1, (stream.shape[1] ?? 1) - 1, 1), [rows, configuration.width]);
    const logits = repeatRows(codeLogits(parameters, configuration, last), copies);
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
  readonly past: KeysAndValues;
  /** bool by image position: [positions, cache length + span] (`decodeMask`). */
  readonly mask: Tensor;
  /** Which of the condition's positions are looked at, where not all are (`DecodeMemory.prefixMask`). */
  readonly prefixMask: Tensor | undefined;
  readonly normalise: typeof softmax;
}

/** softmax over the cache and the span's own keys together, without copying the cache to join them. */
function attendCached(queries: Tensor, cache: LayerCache, own: KeysAndValues, position: Tensor): Tensor {
  const scaled = multiply(queries, 1 / Math.sqrt(queries.shape[3] ?? 1));
  const scores = concat(
    [cache.past.keys, own.keys].map((keys) => matMul(scaled, keys, { transposeB: true })),
    3,
  );
  const seen = gather(cache.mask, position);
  const weights = cache.normalise(where(cache.prefixMask === undefined ? seen : withoutHidden(seen, cache.prefixMask), scores, maskedScore));
  const pastLength = cache.past.keys.shape[2] ?? 0;
  const pastPart = matMul(sliceAxis(weights, 3, 0, pastLength), cache.past.values);
  return add(pastPart, matMul(sliceAxis(weights, 3, pastLength, own.keys.shape[2] ?? 0), own.values));
}

function layerCaches(scope: TraceScope, configuration: PriorConfiguration, batch: DecodeBatch, span: number, prefixMask: Tensor | undefined): LayerCache[] {
  const normalise = choicesOf(configuration).stable ? stableSoftmax : softmax;
  const shape = cacheShape(configuration, batch);
  const patterns = layerPatterns(configuration);
  // Layers of one pattern share its masks: engines then look them up once a token, not once a layer.
  const masks = new Map([...new Set(patterns)].map((pattern) => [pattern, scope.literal(decodeMask(configuration, pattern, span))] as const));
  return patterns.flatMap((pattern, layer) => {
    const mask = masks.get(pattern);
    if (mask === undefined) return [];
    const past = { keys: scope.state(decodeStateNames.keys(layer), shape), values: scope.state(decodeStateNames.values(layer), shape) };
    return [{ past, mask, prefixMask, normalise }];
  });
}

/**
 * Decodes `span` tokens (a row of the grid, or one) in a loop inside the graph. Each iteration mixes the branches,
 * changes the scores, samples, and runs the model one token further. The caches are only read in the loop, which
 * carries the span's own keys and values; afterwards they are written once (an engine may copy state at every run).
 *
 * Inputs: `span` int32 scalar (which span), `known` int32 [candidates, span] (−1 = free), `weights` float32 [branches],
 * and those of the sampling plan (`samplingInputs`). Results: `tokens` int32 [candidates, span]; `scores` float32
 * [candidates, codebookSize] of the position after the span, guidance mixed in.
 */
export function decodeSpanGraph(configuration: PriorConfiguration, batch: DecodeBatch, span: number, plan: SamplingPlan): Graph {
  const { candidates, branches } = batch;
  const { width, heads } = configuration;
  const shape = stackShape(configuration);
  return trace('decode-span', (scope) => {
    const parameters = createParameterTree(scope, 'constant').root;
    const spanIndex = scope.input('span', [], 'int32');
    const known = scope.input('known', [candidates, span], 'int32');
    const weights = scope.input('weights', [branches]);
    const sampling = samplingInputs(scope, plan, [candidates, span]);
    const memory = readMemory(scope, configuration, branches * candidates);
    const caches = layerCaches(scope, configuration, batch, span, memory.prefixMask);
    const firstLogits = scope.state(decodeStateNames.logits, logitsShape(configuration, batch));
    const emptyBuffer = broadcastTo(scope.literal(0), [branches * candidates, heads, span, shape.headSize]);

    const carriedFirst = [firstLogits, ...caches.flatMap(() => [emptyBuffer, emptyBuffer]), ...memory.carried];
    const decoded = loop(scope, span, carriedFirst, (column, [logits = firstLogits, ...buffers]) => {
      const position = add(multiply(spanIndex, span), column);
      const scores = changeScores(plan.changes, mixBranches(logits, weights, batch), position);
      const given = gather(known, column, 1);
      const token = where(greaterOrEqual(given, 0), given, sampleTokens(scores, plan, sampling, column));
      const updated: Tensor[] = [];
      const remembered: Tensor[] = [];
      const input = embedImageAt(parameters, configuration, repeatBranches(token, branches), position);
      const stream = runStack(parameters, shape, input, {
        ...memory.at(position, buffers.slice(2 * caches.length), remembered),
        attend(queries, own, layer) {
          const keys = replaceSlice(buffers[layer * 2] ?? emptyBuffer, own.keys, column, 2);
          const values = replaceSlice(buffers[layer * 2 + 1] ?? emptyBuffer, own.values, column, 2);
          updated.push(keys, values);
          const cache = caches[layer];
          return cache === undefined ? own.values : attendCached(queries, cache, { keys, values }, position);
        },
      });
      const next = codeLogits(parameters, configuration, reshape(stream, [branches * candidates, width]));
      return { carried: [next, ...updated, ...remembered], stacked: [token] };
    });

    const [lastLogits = firstLogits, ...buffers] = decoded.carried;
    const spanStart = add(multiply(spanIndex, span), prefixLengthOf(configuration));
    caches.forEach(({ past }, layer) => {
      const [keys = emptyBuffer, values = emptyBuffer] = buffers.slice(layer * 2, layer * 2 + 2);
      scope.assign(decodeStateNames.keys(layer), replaceSlice(past.keys, keys, spanStart, 2));
      scope.assign(decodeStateNames.values(layer), replaceSlice(past.values, values, spanStart, 2));
    });
    memory.write(buffers.slice(2 * caches.length));
    scope.assign(decodeStateNames.logits, lastLogits);
    const [tokens] = decoded.stacked;
    if (tokens !== undefined) scope.output('tokens', transpose(tokens, [1, 0]));
    scope.output('scores', mixBranches(lastLogits, weights, batch));
  });
}
