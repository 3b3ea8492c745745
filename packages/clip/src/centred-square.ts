import type { Picture } from '@tesserae/core';

/** Keys' cubic kernel with a = −1/2, as Pillow's BICUBIC has it. */
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

/** Which source pixels make up a new one along an axis, and how much each. */
interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Pillow's resampling: when shrinking, the kernel is stretched by as much, so that every source pixel counts. */
function tapsOf(length: number, size: number): Taps[] {
  const scale = length / size;
  const stretch = Math.max(1, scale);
  return Array.from({ length: size }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - 2 * stretch + 0.5));
    const last = Math.min(length, Math.floor(centre + 2 * stretch + 0.5));
    const raw = Array.from({ length: last - first }, (__, tap) => cubic((first + tap + 0.5 - centre) / stretch));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}

const toByte = (value: number): number => Math.min(255, Math.max(0, Math.round(value)));

/** Resamples along one axis; `step` bytes lie between neighbours on it, `lines` starts are where a line begins. */
function resampled(source: Uint8Array, taps: readonly Taps[], starts: readonly number[], step: number, place: (line: number, index: number) => number, target: Uint8Array): void {
  starts.forEach((start, line) => {
    taps.forEach(({ first, weights }, index) => {
      const sums: [number, number, number] = [0, 0, 0];
      weights.forEach((weight, tap) => {
        const at = start + (first + tap) * step;
        for (const channel of [0, 1, 2] as const) sums[channel] += weight * (source[at + channel] ?? 0);
      });
      // Bytes between the two passes, too: as Pillow keeps them.
      for (const channel of [0, 1, 2] as const) target[place(line, index) + channel] = toByte(sums[channel]);
    });
  });
}

/**
 * A picture as CLIP reads it: resized so that its shorter side is `size` (bicubic, as Pillow), and the middle square cut out. A picture
 * of that size is given as it is. RGB bytes `[size, size, 3]`.
 */
export function centredSquare({ width, height, data }: Picture, size: number): Uint8Array {
  if (width === size && height === size) return data;
  const shorter = Math.min(width, height);
  const [newWidth, newHeight] = [Math.max(size, Math.floor((size * width) / shorter)), Math.max(size, Math.floor((size * height) / shorter))];
  const across = new Uint8Array(newWidth * height * 3);
  const rows = Array.from({ length: height }, (_, row) => row * width * 3);
  resampled(data, tapsOf(width, newWidth), rows, 3, (line, index) => (line * newWidth + index) * 3, across);
  const both = new Uint8Array(newWidth * newHeight * 3);
  const columns = Array.from({ length: newWidth }, (_, column) => column * 3);
  resampled(across, tapsOf(height, newHeight), columns, newWidth * 3, (line, index) => (index * newWidth + line) * 3, both);
  const [left, top] = [Math.round((newWidth - size) / 2), Math.round((newHeight - size) / 2)];
  const square = new Uint8Array(size * size * 3);
  for (let row = 0; row < size; row += 1) {
    const start = ((top + row) * newWidth + left) * 3;
    square.set(both.subarray(start, start + size * 3), row * size * 3);
  }
  return square;
}

/** Squares of several pictures as planes: float32 `[batch, 3, size, size]` in [0, 1], zeros where there are fewer pictures. */
export function squarePlanes(pictures: readonly Picture[], size: number, batch: number): Float32Array {
  const plane = size * size;
  const planes = new Float32Array(batch * 3 * plane);
  pictures.slice(0, batch).forEach((picture, index) => {
    const square = centredSquare(picture, size);
    for (let pixel = 0; pixel < plane; pixel += 1) {
      for (let channel = 0; channel < 3; channel += 1) planes[(index * 3 + channel) * plane + pixel] = (square[pixel * 3 + channel] ?? 0) / 255;
    }
  });
  return planes;
}
