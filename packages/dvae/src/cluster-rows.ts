import { deriveKey, type Key, uniform } from '@tesserae/core';

/** Squared distance of two vectors stored in flat arrays, or anything not below `limit` as soon as it cannot be less. */
function squaredDistance(a: Float32Array, offsetA: number, b: Float32Array, offsetB: number, width: number, limit = Number.POSITIVE_INFINITY): number {
  let sum = 0;
  for (let index = 0; index < width && sum < limit; index += 1) {
    const difference = (a[offsetA + index] ?? 0) - (b[offsetB + index] ?? 0);
    sum += difference * difference;
  }
  return sum;
}

/**
 * `count` well spread rows of `features` [rows, width]: each next one is drawn with probability proportional to its squared
 * distance from those before (k-means++, Arthur and Vassilvitskii 2007).
 */
export function spreadRows(features: Float32Array, width: number, count: number, key: Key): Int32Array {
  const rows = features.length / width;
  const chosen = new Int32Array(count);
  const distances = new Float64Array(rows).fill(Number.POSITIVE_INFINITY);
  let current = Math.min(rows - 1, Math.floor(uniform(key, 0) * rows));
  for (let index = 0; index < count; index += 1) {
    chosen[index] = current;
    let total = 0;
    for (let row = 0; row < rows; row += 1) {
      const before = distances[row] ?? 0;
      const distance = Math.min(before, squaredDistance(features, row * width, features, current * width, width, before));
      distances[row] = distance;
      total += distance;
    }
    let rest = uniform(key, index + 1) * total;
    for (let row = 0; row < rows; row += 1) {
      rest -= distances[row] ?? 0;
      if (rest <= 0) {
        current = row;
        break;
      }
    }
  }
  return chosen;
}

export interface Clusters {
  /** float32 [count, width]. */
  readonly centres: Float32Array;
  /** float32 [count]: what a centre's squared distance is raised by, because it is rare. All 0 when `rateWeight` is 0. */
  readonly penalties: Float32Array;
}

export interface ClusterOptions {
  readonly width: number;
  readonly count: number;
  readonly key: Key;
  /**
   * How much distance a nat is worth, as a multiple of the mean squared distance that plain clustering leaves. 0 clusters
   * plainly. Default 0.
   */
  readonly rateWeight?: number;
}

/** Rounds of Lloyd's algorithm after the spread start; most of the gain comes in the first few. */
const plainRounds = 4;
/** Rounds with rates: rare centres lose rows to common ones, become rarer, and some die out. It settles in about eight. */
const rateRounds = 8;

/**
 * `count` cluster centres of `features` [rows, width]: k-means++, then rounds of Lloyd's algorithm. A centre that loses all
 * its rows stays where it was.
 *
 * With a `rateWeight` w the rows then go where |x − c|² − λ ln p(c) is least, λ = w·(mean |x − c|² before), p(c) a centre's
 * share of the rows: entropy-constrained vector quantisation (Chou, Lookabaugh and Gray 1989). Differences that are small
 * beside what is common then cost nobody a code of their own.
 */
export function clusterRows(features: Float32Array, { width, count, key, rateWeight = 0 }: ClusterOptions): Clusters {
  const rows = features.length / width;
  const centres = new Float32Array(count * width);
  const penalties = new Float32Array(count);
  const nearest = new Int32Array(rows);
  spreadRows(features, width, count, deriveKey(key, 'spread')).forEach((row, centre) => {
    centres.set(features.subarray(row * width, (row + 1) * width), centre * width);
  });
  let distortion = 0;
  for (let round = 0; round < plainRounds + (rateWeight > 0 ? rateRounds : 0); round += 1) {
    const sums = new Float64Array(count * width);
    const sizes = new Int32Array(count);
    let total = 0;
    for (let row = 0; row < rows; row += 1) {
      // The last round's choice is a good first guess: most other centres are then seen to be too far after a few numbers.
      let best = nearest[row] ?? 0;
      let distance = squaredDistance(features, row * width, centres, best * width, width);
      let cost = distance + (penalties[best] ?? 0);
      for (let centre = 0; centre < count; centre += 1) {
        const penalty = penalties[centre] ?? 0;
        if (penalty >= cost) continue;
        const other = squaredDistance(features, row * width, centres, centre * width, width, cost - penalty);
        if (other + penalty < cost) [best, distance, cost] = [centre, other, other + penalty];
      }
      nearest[row] = best;
      total += distance;
      sizes[best] = (sizes[best] ?? 0) + 1;
      for (let index = 0; index < width; index += 1) sums[best * width + index] = (sums[best * width + index] ?? 0) + (features[row * width + index] ?? 0);
    }
    for (let centre = 0; centre < count; centre += 1) {
      const size = sizes[centre] ?? 0;
      if (size > 0) for (let index = 0; index < width; index += 1) centres[centre * width + index] = (sums[centre * width + index] ?? 0) / size;
    }
    if (round < plainRounds) distortion = total / rows;
    if (rateWeight > 0 && round >= plainRounds - 1) {
      // Half a row for the empty, so that their penalty is a number: it is larger than any that has rows.
      for (let centre = 0; centre < count; centre += 1) penalties[centre] = -rateWeight * distortion * Math.log(Math.max(0.5, sizes[centre] ?? 0) / rows);
    }
  }
  return { centres, penalties };
}
