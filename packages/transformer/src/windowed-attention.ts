import {
  add,
  concat,
  divide,
  exp,
  float32Array,
  literal,
  log,
  maskScores,
  matMul,
  maximum,
  multiply,
  normalisedExp,
  pad,
  reduceMax,
  reshape,
  slice,
  sliceAxis,
  stopGradient,
  subtract,
  type Tensor,
  transpose,
} from '@tesserae/core';
import type { AttentionWindows } from './attention-windows.js';
import type { KeysAndValues } from './blocks/stack.js';

export interface WindowedAttentionOptions {
  readonly windows: AttentionWindows;
  /** Tokens before the image. */
  readonly prefix: number;
  /** float32 [blocks, size, reach + size]: `windowBias`. */
  readonly bias: Tensor;
  /** What is added to the scores of the prefix: broadcasts to [batch, heads, image tokens, prefix]. Default: nothing. */
  readonly prefixBias?: Tensor;
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

/** The windows' places of a whole sequence [batch, heads, prefix + count, channels], the first of them at `first`, which may lie before the sequence. */
function placesOf(x: Tensor, { blocks, size }: AttentionWindows, first: number): Tensor {
  const missing = Math.max(0, -first);
  const filled = missing === 0 ? x : pad(x, [0, 0, missing, 0], [0, 0, 0, 0]);
  return sliceAxis(filled, 2, first + missing, blocks * size);
}

/** Each block [batch·heads, blocks, size, channels] behind the `reach` places before it: [batch·heads, blocks, reach + size, channels], zeros before the first. */
function windowed(own: Tensor, { blocks, size, reach }: AttentionWindows): Tensor {
  const [count = 0, , , channels = 0] = own.shape;
  // Only rows reach back.
  const before = Math.ceil(reach / size);
  const parts = Array.from({ length: before }, (_, part) => {
    const distance = before - part;
    const skipped = part === 0 ? before * size - reach : 0;
    const moved = slice(own, [0, 0, skipped, 0], [count, blocks - distance, size - skipped, channels]);
    return pad(moved, [0, distance, 0, 0], [0, 0, 0, 0]);
  });
  return concat([...parts, own], 2);
}

/** Values with one more channel of ones, which adds up the weights they are multiplied by. */
const withOnes = (values: Tensor): Tensor => pad(values, [0, 0, 0, 0], [0, 0, 0, 1], 1);

/** What `withOnes` and weights of any scale make, [batch, heads, length, headSize + 1], at weights that add up to one: [batch, heads, length, headSize]. */
function perWeight(sums: Tensor): Tensor {
  const headSize = (sums.shape[3] ?? 1) - 1;
  return divide(sliceAxis(sums, 3, 0, headSize), sliceAxis(sums, 3, headSize, 1));
}

/** Most scores of one piece: 5 MiB, which mostly stay in a processor's cache from the product that makes them to those that read them. */
const scoresOfPiece = 1.25 * 2 ** 20;
/** Fewer queries than this are not cut, however many scores each has: a graph has to stay small. */
const queriesOfPiece = 64;

/** Queries [batch, heads, length, headSize] cut along their length into pieces that have few enough scores with `keys` keys. */
function inPieces(queries: Tensor, keys: number): Tensor[] {
  const [batch = 0, heads = 0, length = 0] = queries.shape;
  const pieces = Math.max(1, Math.ceil((batch * heads * length * keys) / scoresOfPiece));
  const rows = Math.min(length, Math.max(queriesOfPiece, Math.ceil(length / pieces)));
  return Array.from({ length: Math.ceil(length / rows) }, (_, piece) => sliceAxis(queries, 2, piece * rows, Math.min(rows, length - piece * rows)));
}

/** Near the smallest number of single precision that every engine tells from zero. */
const leastShare = 1e-37;

const scaleOf = (queries: Tensor): number => 1 / Math.sqrt(queries.shape[3] ?? 1);

/**
 * Attention with a mask, whose weights are divided by their sum behind the product with the values, where the sum comes out as one more channel. Of
 * what is as large as the scores only the weights are kept, and their gradient is one product more: the sum that a softmax's gradient subtracts is that
 * of output times its gradient (Dao et al. 2022, §B.2), and comes out of the product as well.
 */
export function summedAttention(queries: Tensor, { keys, values }: KeysAndValues, mask: Tensor): Tensor {
  const scores = matMul(multiply(queries, scaleOf(queries)), keys, { transposeB: true });
  return perWeight(matMul(normalisedExp(maskScores(scores, mask)), withOnes(values)));
}

/**
 * What queries [batch, heads, prefix + count, headSize] at the windows' places get of all keys and values of the prefix and of those of the image that
 * the windows hold, [batch, heads, lead + count, headSize]: the same as attention over everything with the pattern's mask, without the scores that
 * the mask would throw away. Of places before the image, which fill up the first block, only the last means anything: the prefix's last token.
 *
 * One softmax runs over both kinds of key without putting them side by side: a window's largest score stands among the prefix's as the score of one
 * key more, without a value. The weight that this key gets tells the sum of all exponentials, by which the window's are made weights too. As in
 * `summedAttention`, all is divided by the sum of weights at the end. `block.stable` changes no number in single precision, so it has no path of its own.
 */
export function windowedAttention(queries: Tensor, { keys, values }: KeysAndValues, { windows, prefix, bias, prefixBias }: WindowedAttentionOptions): Tensor {
  const [batch = 0, heads = 0, , headSize = 0] = queries.shape;
  const { blocks, size, lead } = windows;
  const first = prefix - lead;
  const whole = (x: Tensor): Tensor => reshape(x, [batch, heads, blocks * size, x.shape[3] ?? 0]);
  const blocked = (x: Tensor): Tensor => reshape(x, [batch * heads, blocks, size, x.shape[3] ?? 0]);
  const ofImage = (x: Tensor): Tensor => placesOf(x, windows, first);
  // Cut where the image's places are cut, so that the gradient's parts lie side by side.
  const ofPrefix = (x: Tensor): Tensor =>
    first < 0 ? sliceAxis(x, 2, 0, prefix) : concat([sliceAxis(x, 2, 0, first), ...(lead === 0 ? [] : [sliceAxis(ofImage(x), 2, 0, lead)])], 2);
  /** One place and one channel more than the prefix's, of zeros but for some ones. */
  const extended = (x: Tensor, isOne: (place: number, channel: number) => boolean): Tensor => {
    const width = headSize + 1;
    const ones = Float32Array.from({ length: (prefix + 1) * width }, (_, index) => (isOne(Math.floor(index / width), index % width) ? 1 : 0));
    return add(pad(ofPrefix(x), [0, 0, 0, 0], [0, 0, 1, 1]), literal(x.builder, float32Array([prefix + 1, width], ones)));
  };

  const windowKeys = windowed(inBlocks(ofImage(keys), windows), windows);
  const scaled = inBlocks(multiply(ofImage(queries), scaleOf(queries)), windows);
  const imageScores = add(matMul(scaled, windowKeys, { transposeB: true }), bias);
  const largest = stopGradient(reduceMax(imageScores, { axes: [-1], keepDimensions: true }));

  const asking = concat([whole(scaled), whole(largest)], 3);
  const prefixKeys = extended(keys, (place, channel) => place === prefix && channel === headSize);
  const prefixValues = extended(values, (place, channel) => place < prefix && channel === headSize);
  const hidden = prefixBias === undefined ? undefined : pad(prefixBias, [0, 0, 0, 0], [0, 0, 0, 1]);
  const answers = inPieces(asking, prefix + 1).map((some) => {
    const products = matMul(some, prefixKeys, { transposeB: true });
    const weights = normalisedExp(hidden === undefined ? products : add(products, hidden));
    return { sums: matMul(weights, prefixValues), share: stopGradient(sliceAxis(weights, 3, prefix, 1)) };
  });
  const prefixSums = concat(
    answers.map(({ sums }) => sums),
    2,
  );
  const shares = concat(
    answers.map(({ share }) => share),
    2,
  );
  // The logarithm of the sum of all exponentials. Where a window counts nothing its share is smaller than any number: `leastShare` stands for it.
  const share = maximum(blocked(shares), leastShare);
  const level = subtract(largest, log(share));
  const imageSums = matMul(exp(subtract(imageScores, level)), windowed(inBlocks(withOnes(ofImage(values)), windows), windows));
  const attended = perWeight(add(prefixSums, whole(imageSums)));
  return inRasterOrder(blocked(attended), windows, batch, heads);
}
