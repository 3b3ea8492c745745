import { add, concat, divide, exp, matMul, maximum, multiply, pad, reduceMax, reshape, sliceAxis, stopGradient, subtract, type Tensor, transpose } from '@tesserae/core';
import type { AttentionWindows } from './attention-windows.js';
import { scoreReduction } from './blocks/stable.js';
import type { KeysAndValues } from './blocks/stack.js';

const last = { axes: [-1], keepDimensions: true } as const;

export interface WindowedAttentionOptions {
  readonly windows: AttentionWindows;
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

/** Image tokens [batch, heads, count, channels], each block behind the `reach` places before it: [batch·heads, blocks, reach + size, channels]. */
function windowed(x: Tensor, windows: AttentionWindows, finish: (padded: Tensor) => Tensor = (padded) => padded): Tensor {
  const { blocks, size, reach, lead } = windows;
  // Only rows reach back: their places are in raster order, so that the lead and what is before it are one filling.
  const before = Math.ceil(reach / size);
  const filled = finish(pad(x, [0, 0, before * size + lead, 0], [0, 0, 0, 0]));
  const blocked = inBlocks(filled, { ...windows, blocks: blocks + before });
  const shifted = Array.from({ length: before + 1 }, (_, block) => {
    const skipped = block === 0 ? before * size - reach : 0;
    return sliceAxis(sliceAxis(blocked, 1, block, blocks), 2, skipped, size - skipped);
  });
  return concat(shifted, 2);
}

/**
 * What the queries at the windows' places, [batch, heads, lead + count, headSize], get of all keys and values of the prefix and of those of the
 * image [batch, heads, count, headSize] that the windows hold: the same as attention over everything with the pattern's mask, without the scores that the mask would throw away.
 *
 * The softmax over both kinds of key is written out, its weights not divided by their sum but what they add up: then nothing of the size of the
 * scores is kept but the weights, and their gradient needs no second pass over them (Dao et al. 2022, §B.2: the sum that a softmax's gradient
 * needs is that of output times its gradient). The sum comes out of the product with the values, as one more channel of ones.
 */
export function windowedAttention(queries: Tensor, prefix: KeysAndValues, image: KeysAndValues, { windows, bias, prefixBias, stable }: WindowedAttentionOptions): Tensor {
  const [batch = 0, heads = 0, , headSize = 0] = queries.shape;
  const { blocks, size } = windows;
  const reduction = stable ? scoreReduction : 1;
  const whole = (x: Tensor): Tensor => reshape(x, [batch, heads, blocks * size, x.shape[3] ?? 0]);
  const blocked = (x: Tensor): Tensor => reshape(x, [batch * heads, blocks, size, x.shape[3] ?? 0]);
  const withOnes = (x: Tensor): Tensor => pad(x, [0, 0, 0, 0], [0, 0, 0, 1], 1);

  const scaled = inBlocks(multiply(queries, 1 / (reduction * Math.sqrt(headSize))), windows);
  const prefixProducts = matMul(whole(scaled), prefix.keys, { transposeB: true });
  const prefixScores = prefixBias === undefined ? prefixProducts : add(prefixProducts, prefixBias);
  const imageScores = add(matMul(scaled, windowed(image.keys, windows), { transposeB: true }), bias);
  // Any number would do that keeps the exponentials in range: no gradient flows through it.
  const largest = stopGradient(maximum(reduceMax(prefixScores, last), whole(reduceMax(imageScores, last))));
  const weights = (scores: Tensor, top: Tensor): Tensor => {
    const below = subtract(scores, top);
    return exp(reduction === 1 ? below : multiply(below, reduction));
  };
  const sums = add(
    matMul(weights(prefixScores, largest), withOnes(prefix.values)),
    whole(matMul(weights(imageScores, blocked(largest)), windowed(image.values, windows, withOnes))),
  );
  const attended = divide(sliceAxis(sums, 3, 0, headSize), sliceAxis(sums, 3, headSize, 1));
  return inRasterOrder(blocked(attended), windows, batch, heads);
}
