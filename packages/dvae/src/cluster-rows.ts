import { deriveKey, type Key, uniform } from '@tesserae/core';

/** Squared distance of two vectors stored in flat arrays. */
function squaredDistance(a: Float32Array, offsetA: number, b: Float32Array, offsetB: number, width: number): number {
  let sum = 0;
  for (let index = 0; index < width; index += 1) {
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
      const distance = Math.min(distances[row] ?? 0, squaredDistance(features, row * width, features, current * width, width));
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

/** Rounds of Lloyd's algorithm after the spread start; most of the gain comes in the first few. */
const lloydRounds = 4;

/**
 * `count` cluster centres [count, width] of `features` [rows, width]: k-means++, then rounds of Lloyd's algorithm. A centre
 * that loses all its rows stays where it was.
 */
export function clusterRows(features: Float32Array, width: number, count: number, key: Key): Float32Array {
  const rows = features.length / width;
  const centres = new Float32Array(count * width);
  spreadRows(features, width, count, deriveKey(key, 'spread')).forEach((row, centre) => {
    centres.set(features.subarray(row * width, (row + 1) * width), centre * width);
  });
  for (let round = 0; round < lloydRounds; round += 1) {
    const sums = new Float64Array(count * width);
    const sizes = new Int32Array(count);
    for (let row = 0; row < rows; row += 1) {
      let nearest = 0;
      let shortest = Number.POSITIVE_INFINITY;
      for (let centre = 0; centre < count; centre += 1) {
        const distance = squaredDistance(features, row * width, centres, centre * width, width);
        if (distance < shortest) {
          shortest = distance;
          nearest = centre;
        }
      }
      sizes[nearest] = (sizes[nearest] ?? 0) + 1;
      for (let index = 0; index < width; index += 1) sums[nearest * width + index] = (sums[nearest * width + index] ?? 0) + (features[row * width + index] ?? 0);
    }
    for (let centre = 0; centre < count; centre += 1) {
      const size = sizes[centre] ?? 0;
      if (size > 0) for (let index = 0; index < width; index += 1) centres[centre * width + index] = (sums[centre * width + index] ?? 0) / size;
    }
  }
  return centres;
}
