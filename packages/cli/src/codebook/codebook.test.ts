import type { ImageTokenizer, Picture } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { createOutput } from '../terminal/output.js';
import { codebookPictures, codebookSheet, sheetColumns } from './codebook-pictures.js';
import { byUse, countCodes } from './count-codes.js';

const nowhere = { write: () => undefined };
const output = createOutput({ stdout: nowhere, stderr: nowhere, now: () => 0 }, { json: true, quiet: true });

/** A code is a grey; the edge of every picture is white, as padding would colour it. */
function greyTokenizer(codebookSize: number): ImageTokenizer {
  return {
    specificationVersion: 'v1',
    codebookSize,
    downsampling: 2,
    grid: { rows: 4, columns: 4 },
    encode: () => Promise.reject(new Error('not asked for')),
    decode: async (codes, { rows, columns }) =>
      codes.map((list): Picture => {
        const [width, height] = [2 * columns, 2 * rows];
        const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => {
          const [x, y] = [Math.floor(index / 3) % width, Math.floor(index / 3 / width)];
          const isEdge = Math.min(x, y, width - 1 - x, height - 1 - y) < 2;
          return isEdge ? 255 : (list[Math.floor(y / 2) * columns + Math.floor(x / 2)] ?? 0);
        });
        return { width, height, data };
      }),
    dispose: () => undefined,
  };
}

describe('codebookPictures', () => {
  it('shows every code alone, in order, as if the picture had no edge', async () => {
    const pictures = await codebookPictures(greyTokenizer(150), { output, signal: new AbortController().signal });
    expect(pictures).toHaveLength(150);
    pictures.forEach((picture, code) => {
      expect(picture).toEqual({ width: 2, height: 2, data: new Uint8Array(12).fill(code) });
    });
  });

  it('stops for a signal', async () => {
    await expect(codebookPictures(greyTokenizer(4), { output, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('codebookSheet', () => {
  it('has code 0 at the top left and a power of 2 a row', async () => {
    expect([4, 16, 100, 512, 8192].map(sheetColumns)).toEqual([2, 4, 16, 32, 128]);
    const { width, height, data } = codebookSheet(await codebookPictures(greyTokenizer(6), { output, signal: new AbortController().signal }));
    // Four columns and two rows of 2 pixels, and a line of 1 around each.
    expect([width, height]).toEqual([13, 7]);
    const at = (column: number, row: number): number | undefined => data[((1 + 3 * row) * width + 1 + 3 * column) * 3];
    expect([at(0, 0), at(3, 0), at(0, 1), at(1, 1)]).toEqual([0, 3, 4, 5]);
    expect(at(2, 1)).toBe(data[0]);
  });
});

describe('the use of codes', () => {
  it('is counted over pictures and put in order', () => {
    const counts = countCodes([Int32Array.of(3, 3, 1), Int32Array.of(3, 0, 1)], 5);
    expect([...counts]).toEqual([1, 2, 0, 3, 0]);
    expect(byUse(counts).map(({ code }) => code)).toEqual([3, 1, 0, 2, 4]);
  });
});
