import { boolArray, broadcastTo, concat, literal, logicalAnd, logicalOr, maskedScore, reshape, sliceAxis, type Tensor, type TraceScope, where } from '@tesserae/core';
import { jointMask } from './attention-patterns.js';
import { scoresSaved, windowBias, windowsOf } from './attention-windows.js';
import { attentionOf } from './blocks/stable.js';
import type { KeysAndValues, Stream } from './blocks/stack.js';
import { type AttentionPattern, choicesOf, layerPatterns, type PriorConfiguration, prefixLengthOf } from './configuration.js';
import type { ConditionTensors } from './embeddings.js';
import { summedAttention, windowedAttention } from './windowed-attention.js';

/**
 * How a whole sequence attends. `masked`: every token scores every other and the pattern's mask throws away what it may not see, which
 * is what the patterns mean. `windowed`: image tokens score only the prefix and the windows their pattern needs; `full` has none and stays
 * masked. `quicker`: windowed where that saves enough. `omitted`: tokens do not meet, for who only asks what parameters there are.
 */
export type AttentionPath = 'quicker' | 'masked' | 'windowed' | 'omitted';

/** From how many times fewer scores on windows are quicker in spite of the tokens they move. */
const worthwhile = 1.5;

type Attend = (queries: Tensor, own: KeysAndValues) => Tensor;
type Features = NonNullable<ConditionTensors['features']>;

/** A pattern's mask without the features that are masked; a token always sees itself. */
function hideFeatures(mask: Tensor, features: Features): Tensor {
  const [queries = 0, length = 0] = mask.shape;
  const [batch = 0, count = 0] = features.mask.shape;
  const everything = (shape: readonly number[]): Tensor => broadcastTo(literal(mask.builder, boolArray([], [true])), shape);
  const seen = concat([reshape(features.mask, [batch, 1, 1, count]), everything([batch, 1, 1, length - count])], 3);
  const itself = boolArray(
    [queries, length],
    Uint8Array.from({ length: queries * length }, (_, place) => (place % length === length - queries + Math.floor(place / length) ? 1 : 0)),
  );
  return logicalOr(logicalAnd(mask, seen), literal(mask.builder, itself));
}

function maskOf(scope: TraceScope, configuration: PriorConfiguration, pattern: AttentionPattern, imageTokens: number, features: Features | undefined, queries?: number): Tensor {
  const open = scope.literal(jointMask(configuration, pattern, imageTokens, queries));
  return features === undefined ? open : hideFeatures(open, features);
}

function maskedPath(
  scope: TraceScope,
  configuration: PriorConfiguration,
  pattern: AttentionPattern,
  imageTokens: number,
  features: Features | undefined,
  queries?: number,
): Attend {
  const mask = maskOf(scope, configuration, pattern, imageTokens, features, queries);
  const attend = attentionOf(choicesOf(configuration).stable);
  return (queries, { keys, values }) => attend(queries, keys, values, { mask });
}

function windowedPath(
  scope: TraceScope,
  configuration: PriorConfiguration,
  pattern: AttentionPattern,
  imageTokens: number,
  features: Features | undefined,
  windows: NonNullable<ReturnType<typeof windowsOf>>,
): Attend {
  const prefix = prefixLengthOf(configuration);
  const { lead } = windows;
  // The prefix's last token sees what image tokens see of it: it may fill a lead of one, which training has, as its last code is only predicted.
  const borrowed = lead === 1 && features === undefined ? 1 : 0;
  const own = prefix - borrowed;
  // None of the tokens before it sees it.
  const ofOwn = (x: Tensor, axis = 2): Tensor => sliceAxis(x, axis, 0, own);
  const mask = ofOwn(ofOwn(maskOf(scope, configuration, pattern, 0, features), -2), -1);
  const bias = scope.literal(windowBias(pattern, configuration, windows));
  const hidden = features === undefined ? undefined : reshape(where(features.mask, 0, maskedScore), [features.mask.shape[0] ?? 0, 1, 1, prefix]);
  const options = { windows, prefix, bias, ...(hidden === undefined ? {} : { prefixBias: hidden }) };
  return (queries, joint) => {
    const attended = windowedAttention(queries, joint, options);
    const image = sliceAxis(attended, 2, lead - borrowed, imageTokens + borrowed);
    if (own === 0) return image;
    return concat([summedAttention(ofOwn(queries), { keys: ofOwn(joint.keys), values: ofOwn(joint.values) }, mask), image], 2);
  };
}

/**
 * How the tokens of what stands before the picture and of the first `imageTokens` image tokens attend, layer by layer: all of them, or
 * the last ones alone, if `attend` is given fewer queries than keys.
 */
export function jointAttention(
  scope: TraceScope,
  configuration: PriorConfiguration,
  features: Features | undefined,
  imageTokens: number,
  path: AttentionPath = 'quicker',
): Stream['attend'] {
  if (path === 'omitted') return (_, { values }) => values;
  const patterns = layerPatterns(configuration);
  const length = prefixLengthOf(configuration) + imageTokens;
  const ways = new Map(
    [...new Set(patterns)].map((pattern) => {
      const windows = imageTokens === 0 || path === 'masked' ? undefined : windowsOf(pattern, configuration, imageTokens);
      const worth = windows !== undefined && (path === 'windowed' || scoresSaved(prefixLengthOf(configuration), imageTokens, windows) >= worthwhile);
      const way = worth ? windowedPath(scope, configuration, pattern, imageTokens, features, windows) : maskedPath(scope, configuration, pattern, imageTokens, features);
      return [pattern, way] as const;
    }),
  );
  return (queries, own, layer) => {
    const pattern = patterns[layer];
    const attend = pattern === undefined ? undefined : ways.get(pattern);
    if (pattern === undefined || attend === undefined) throw new RangeError(`the configuration has no layer ${layer}`);
    const [, , count = 0] = queries.shape;
    return (count === length ? attend : maskedPath(scope, configuration, pattern, imageTokens, features, count))(queries, own);
  };
}
