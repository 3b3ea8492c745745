import { add, concat, divide, exp, matMul, maximum, multiply, pad, reduceMax, reshape, sliceAxis, stopGradient, subtract, type Tensor, transpose } from '@tesserae/core';
import type { AttentionWindows } from './attention-windows.js';
import { scoreReduction } from './blocks/stable.js';
import type { KeysAndValues } from './blocks/stack.js';

const last = { axes: [-1], keepDimensions: true } as const;

export interface WindowedAttentionOptions {
  readonly windows: AttentionWindows;
  /** Tokens before the image. */
  readonly prefix: number;
  /** float32 [blocks, size, reach + size]: `windowBias`. */
  readonly bias: Tensor;
  /** What is added to the scores of the prefix: broadcasts to [batch, heads, image tokens, prefix]. Default: nothing. */
  readonly prefixBias?: Tensor;
  /** Reduces scores on the way to the softmax, as `stableSoftmax` does. */
  readonly stable: boolean;
}

/** Places in raster order [batch, heads, blocks·size, channels] → [batch·heads, blocks, size, channels]. */
function inBlocks(x: Tensor, { order, blocks, size }: AttentionWindows): Tensor {
  const [batch = 0, heads = 0, , channels = 0] = x.shape;
  if (order === 'rows') return reshape(x, [batch * heads, blocks, size, channels]);
  return transpose(reshape(x, [batch * heads, size, blocks, channels]), [0, 2, 1, 3]);
}

/** The inverse. */
function inRasterOrder(x: Tensor, { order, blocks, size }: AttentionWindows, batch: number, heads: number): Tensor {
  return reshape(order === 'rows' ? x : transpose(x, [0, 2, 1, 3]), [batch, heads, blocks * size, x.shape[3] ?? 0]);
}

/** What lies at the windows' places of a whole sequence [batch, heads, prefix + count, channels], `back` places before them: places before the image hold what is there. */
function placesOf(x: Tensor, { blocks, size }: AttentionWindows, first: number, back: number): Tensor {
  const missing = Math.max(0, back - first);
  const filled = missing === 0 ? x : pad(x, [0, 0, missing, 0], [0, 0, 0, 0]);
  return sliceAxis(filled, 2, first - back + missing, blocks * size);
}

/**
 * Each block behind the `reach` places before it: [batch·heads, blocks, reach + size, channels]. What reaches back behind the image's first token is
 * of the prefix, which the windows' bias hides: nothing has to be filled up.
 */
function windowed(x: Tensor, windows: AttentionWindows, first: number): Tensor {
  const { size, reach } = windows;
  // Only rows reach back.
  const before = Math.ceil(reach / size);
  const parts = Array.from({ length: before + 1 }, (_, part) => {
    const skipped = part === 0 ? before * size - reach : 0;
    return sliceAxis(inBlocks(placesOf(x, windows, first, (before - part) * size), windows), 2, skipped, size - skipped);
  });
  return concat(parts, 2);
}

/**
 * What queries [batch, heads, prefix + count, headSize] at the windows' places get of all keys and values of the prefix and of those of the image that
 * the windows hold, [batch, heads, lead + count, headSize]: the same as attention over everything with the pattern's mask, without the scores that
 * the mask would throw away. Of places before the image, which fill up the first block, only the last means anything: the prefix's last token.
 *
 * The softmax over both kinds of key is written out, its weights not divided by their sum but what they add up: then nothing of the size of the
 * scores is kept but the weights, and their gradient needs no second pass over them (Dao et al. 2022, §B.2: the sum that a softmax's gradient
 * needs is that of output times its gradient). The sum comes out of the product with the values, as one more channel of ones.
 */
export function windowedAttention(queries: Tensor, { keys, values }: KeysAndValues, { windows, prefix, bias, prefixBias, stable }: WindowedAttentionOptions): Tensor {
  const [batch = 0, heads = 0, , headSize = 0] = queries.shape;
  const { blocks, size, lead } = windows;
  const first = prefix - lead;
  const reduction = stable ? scoreReduction : 1;
  const whole = (x: Tensor): Tensor => reshape(x, [batch, heads, blocks * size, x.shape[3] ?? 0]);
  const blocked = (x: Tensor): Tensor => reshape(x, [batch * heads, blocks, size, x.shape[3] ?? 0]);
  const ofPrefix = (x: Tensor): Tensor => sliceAxis(x, 2, 0, prefix);
  const withOnes = pad(values, [0, 0, 0, 0], [0, 0, 0, 1], 1);

  const scaled = inBlocks(multiply(placesOf(queries, windows, first, 0), 1 / (reduction * Math.sqrt(headSize))), windows);
  const prefixProducts = matMul(whole(scaled), ofPrefix(keys), { transposeB: true });
  const prefixScores = prefixBias === undefined ? prefixProducts : add(prefixProducts, prefixBias);
  const imageScores = add(matMul(scaled, windowed(keys, windows, first), { transposeB: true }), bias);
  // Any number would do that keeps the exponentials in range: no gradient flows through it.
  const largest = stopGradient(maximum(reduceMax(prefixScores, last), whole(reduceMax(imageScores, last))));
  const weights = (scores: Tensor, top: Tensor): Tensor => {
    const below = subtract(scores, top);
    return exp(reduction === 1 ? below : multiply(below, reduction));
  };
  const sums = add(matMul(weights(prefixScores, largest), ofPrefix(withOnes)), whole(matMul(weights(imageScores, blocked(largest)), windowed(withOnes, windows, first))));
  const attended = divide(sliceAxis(sums, 3, 0, headSize), sliceAxis(sums, 3, headSize, 1));
  return inRasterOrder(blocked(attended), windows, batch, heads);
}
