import type { ImageTokenizer, Picture } from '@tesserae/core';
import { cropPicture } from '@tesserae/dvae';
import { contactSheet } from '../pictures.js';
import type { Output } from '../terminal/output.js';

/** Codes of the same kind to each side of the one that is shown, so that the edge of the picture does not colour it. */
const surroundings = 2;
/** Codes decoded at a time. */
const batchSize = 64;

/** Every code decoded alone, in order of their numbers: the middle of a small grid of nothing else, `downsampling` pixels wide and high. */
export async function codebookPictures(tokenizer: ImageTokenizer, { output, signal }: { readonly output: Output; readonly signal: AbortSignal }): Promise<Picture[]> {
  const { codebookSize, downsampling } = tokenizer;
  const side = 2 * surroundings + 1;
  const middle = [surroundings * downsampling, (surroundings + 1) * downsampling] as const;
  const pictures: Picture[] = [];
  const bar = output.progress('decoding codes', codebookSize, 'codes');
  try {
    while (pictures.length < codebookSize) {
      signal.throwIfAborted();
      const start = pictures.length;
      const grids = Array.from({ length: Math.min(batchSize, codebookSize - start) }, (_, index) => new Int32Array(side * side).fill(start + index));
      for (const picture of await tokenizer.decode(grids, { rows: side, columns: side }, { signal })) pictures.push(cropPicture(picture, middle, middle));
      bar.update(pictures.length);
    }
    return pictures;
  } finally {
    bar.end();
  }
}

/** Codes a row of the sheet: a power of 2, so that numbers are easy to find. */
export function sheetColumns(codebookSize: number): number {
  return 2 ** Math.ceil(Math.log2(Math.sqrt(codebookSize)));
}

/** The codebook as one picture: code 0 at the top left, row after row. */
export function codebookSheet(pictures: readonly Picture[]): Picture {
  const columns = sheetColumns(pictures.length);
  return contactSheet(
    Array.from({ length: Math.ceil(pictures.length / columns) }, (_, row) => pictures.slice(row * columns, (row + 1) * columns)),
    // Neither white nor black codes run into it.
    { gap: 1, grey: 150 },
  );
}
