import type { Picture } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { centredSquare, squarePlanes } from './centred-square.js';

const painted = (width: number, height: number, colour: (x: number, y: number) => readonly [number, number, number]): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, index) => colour(Math.floor(index / 3) % width, Math.floor(index / 3 / width))[index % 3] ?? 0),
});

describe('centredSquare', () => {
  it('gives a picture of the right size as it is', () => {
    const picture = painted(4, 4, (x, y) => [x, y, 7]);
    expect(centredSquare(picture, 4)).toBe(picture.data);
  });

  it('keeps even colours, at the edges too, larger and smaller', () => {
    for (const size of [3, 5, 16])
      expect(
        new Set(
          centredSquare(
            painted(7, 11, () => [200, 13, 90]),
            size,
          ),
        ),
      ).toEqual(new Set([200, 13, 90]));
  });

  it('cuts the middle out of the longer side', () => {
    // Three squares side by side; only the middle one is left, but for what the kernel sees of its neighbours.
    const square = centredSquare(
      painted(48, 16, (x) => (x < 16 || x >= 32 ? [255, 0, 0] : [0, 0, 255])),
      16,
    );
    expect([...square.subarray(8 * 48 + 8 * 3, 8 * 48 + 9 * 3)]).toEqual([0, 0, 255]);
    expect(square.subarray(0, 3)[2]).toBe(255);
  });

  it('shrinks a ramp to a ramp: the kernel sees every pixel once, none twice', () => {
    const square = centredSquare(
      painted(64, 64, (x) => [4 * x, 4 * x, 4 * x]),
      16,
    );
    // Pixel i covers the source pixels 4i … 4i + 3, whose mean is 4·(4i + 1.5).
    for (let x = 2; x < 14; x += 1) expect(Math.abs((square[x * 3] ?? 0) - (16 * x + 6))).toBeLessThanOrEqual(1);
  });

  it("enlarges an edge as Pillow's bicubic does: 0 and 255 become these", () => {
    // The kernel's weights at the offsets 1/4 and 3/4 by hand: (−9, 111, 29, −3)/128, mirrored; at the ends only what is inside counts.
    const row = Array.from(
      { length: 8 },
      (_, x) =>
        centredSquare(
          painted(4, 4, (column) => (column < 2 ? [0, 0, 0] : [255, 255, 255])),
          8,
        )[x * 3] ?? 0,
    );
    const at = (weights: readonly number[], values: readonly number[]): number =>
      Math.min(255, Math.max(0, Math.round(weights.reduce((sum, weight, index) => sum + weight * (values[index] ?? 0), 0) / weights.reduce((sum, weight) => sum + weight, 0))));
    expect(row[3]).toBe(
      at(
        [-9, 111, 29, -3].map((weight) => weight),
        [0, 0, 255, 255],
      ),
    );
    expect(row[4]).toBe(at([-3, 29, 111, -9], [0, 0, 255, 255]));
    expect(row[2]).toBe(at([-3, 29, 111, -9], [0, 0, 0, 255]));
  });
});

describe('squarePlanes', () => {
  it('lays colours in planes from 0 to 1 and fills a batch with zeros', () => {
    const planes = squarePlanes([painted(2, 2, () => [255, 51, 0])], 2, 2);
    expect([...planes.subarray(0, 12)].map((value) => Number(value.toFixed(6)))).toEqual([1, 1, 1, 1, 0.2, 0.2, 0.2, 0.2, 0, 0, 0, 0]);
    expect([...planes.subarray(12)]).toEqual(Array(12).fill(0));
  });
});
