import { deriveKey, keyFromSeed, normalArray, type Picture, uniformArray } from '@tesserae/core';

/** What a learned decoder does to a picture, drawn by chance from `seed` within these bounds. */
export interface Degradation {
  /** Standard deviation of the Gaussian blur, in pixels of the 64-pixel scene. */
  readonly blur: number;
  /** Standard deviation of the noise added to each value, of 255. */
  readonly noise: number;
  /** The most that each channel is shifted by, of 255, in the whole picture. */
  readonly shift: number;
  /** The most that edges are displaced by, in pixels: ragged outlines. */
  readonly ragged: number;
}

export const usualDegradation: Degradation = { blur: 0.85, noise: 6, shift: 12, ragged: 0 };

type Read = (x: number, y: number, channel: number) => number;

function reader(values: Float32Array, side: number): Read {
  const clamp = (index: number): number => Math.min(side - 1, Math.max(0, index));
  return (x, y, channel) => {
    const left = Math.floor(x);
    const top = Math.floor(y);
    const at = (column: number, row: number): number => values[(clamp(row) * side + clamp(column)) * 3 + channel] ?? 0;
    const upper = at(left, top) * (left + 1 - x) + at(left + 1, top) * (x - left);
    const lower = at(left, top + 1) * (left + 1 - x) + at(left + 1, top + 1) * (x - left);
    return upper * (top + 1 - y) + lower * (y - top);
  };
}

function blurred(values: Float32Array, side: number, deviation: number): Float32Array {
  if (deviation === 0) return values;
  const reach = Math.ceil(3 * deviation);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, index) => Math.exp(-((index - reach) ** 2) / (2 * deviation ** 2)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let from = values;
  for (const [step, length] of [
    [3, 1],
    [3 * side, side],
  ] as const) {
    const to = new Float32Array(values.length);
    for (let index = 0; index < values.length; index += 1) {
      const position = Math.floor(index / 3 / length) % side;
      let value = 0;
      for (let offset = -reach; offset <= reach; offset += 1) {
        const moved = Math.min(side - 1, Math.max(0, position + offset)) - position;
        value += (weights[offset + reach] ?? 0) * (from[index + moved * step] ?? 0);
      }
      to[index] = value / sum;
    }
    from = to;
  }
  return from;
}

/** Blur, displaced edges, a colour shift and noise. The same seed always does the same. */
export function degraded(picture: Picture, seed: number, { blur, noise, shift, ragged }: Degradation = usualDegradation): Picture {
  const { width: side, data } = picture;
  const key = keyFromSeed(seed);
  let values = Float32Array.from(data);
  if (ragged > 0) {
    // One offset for each 2×2 block, read between blocks, so that neighbours move alike.
    const coarse = Math.ceil(side / 2) + 1;
    const offsets = uniformArray(deriveKey(key, 'ragged'), coarse * coarse * 3);
    const offsetAt = reader(offsets, coarse);
    const read = reader(values, side);
    values = Float32Array.from(values, (_, index) => {
      const channel = index % 3;
      const pixel = (index - channel) / 3;
      const column = pixel % side;
      const row = (pixel - column) / side;
      const move = (axis: number): number => (offsetAt(column / 2, row / 2, axis) * 2 - 1) * ragged;
      return read(column + move(0), row + move(1), channel);
    });
  }
  values = Float32Array.from(blurred(values, side, (blur * side) / 64));
  const shifts = uniformArray(deriveKey(key, 'shift'), 3);
  const noises = normalArray(deriveKey(key, 'noise'), values.length);
  const changed = Uint8Array.from(values, (value, index) =>
    Math.min(255, Math.max(0, Math.round(value + ((shifts[index % 3] ?? 0) * 2 - 1) * shift + (noises[index] ?? 0) * noise))),
  );
  return { width: side, height: side, data: changed };
}
