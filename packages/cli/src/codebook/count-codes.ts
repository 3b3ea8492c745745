import { extname } from 'node:path';
import { type ImageTokenizer, type Picture, TesseraeError } from '@tesserae/core';
import type { OpenedModel } from '@tesserae/core/node';
import { openFolder, type SkippedFile } from '@tesserae/datasets/node';
import type { PictureSize } from '../pictures.js';
import type { Output } from '../terminal/output.js';
import { codedBy, loadBatch } from '../training/coded-pictures.js';

/** How often each code of a codebook occurs. */
export function countCodes(codes: Iterable<ArrayLike<number>>, codebookSize: number): Float64Array {
  const counts = new Float64Array(codebookSize);
  for (const list of codes) for (let index = 0; index < list.length; index += 1) counts[list[index] ?? 0] = (counts[list[index] ?? 0] ?? 0) + 1;
  return counts;
}

export interface CodeCount {
  readonly code: number;
  readonly count: number;
}

/** The codes, most used first; those used alike in order of their numbers. */
export function byUse(counts: ArrayLike<number>): CodeCount[] {
  return Array.from(counts, (count, code) => ({ code, count })).sort((one, other) => other.count - one.count || one.code - other.code);
}

export interface CountedData {
  readonly counts: Float64Array;
  readonly pictures: number;
  readonly skipped: readonly SkippedFile[];
}

/** Pictures read and encoded at a time. */
const batchSize = 32;

/** Counts the codes of a folder of pictures, a batch in memory at a time, or of a file that `tesserae tokenize` wrote with this model. */
export async function countCodesOf(
  data: string,
  {
    model,
    tokenizer,
    size,
    output,
    signal,
  }: { readonly model: OpenedModel; readonly tokenizer: ImageTokenizer; readonly size: PictureSize; readonly output: Output; readonly signal: AbortSignal },
): Promise<CountedData> {
  const { codebookSize } = tokenizer;
  if (extname(data) === '.safetensors') {
    const { pictures } = await codedBy(model, data);
    return {
      counts: countCodes(
        pictures.map(({ codes }) => codes),
        codebookSize,
      ),
      pictures: pictures.length,
      skipped: [],
    };
  }
  const folder = await openFolder(data, { signal });
  const counts = new Float64Array(codebookSize);
  const skipped: SkippedFile[] = [...folder.skipped];
  let pictures = 0;
  const bar = output.progress('encoding pictures', folder.examples.length, 'pictures');
  try {
    for (let start = 0; start < folder.examples.length; start += batchSize) {
      signal.throwIfAborted();
      const batch = await loadBatch({ ...folder, examples: folder.examples.slice(start, start + batchSize), skipped: [] }, size, signal);
      const codes = await tokenizer.encode(
        batch.loaded.map(({ pixels }): Picture => ({ ...size, data: pixels })),
        { signal },
      );
      countCodes(codes, codebookSize).forEach((count, code) => {
        counts[code] = (counts[code] ?? 0) + count;
      });
      pictures += codes.length;
      skipped.push(...batch.skipped);
      bar.update(Math.min(folder.examples.length, start + batchSize));
    }
  } finally {
    bar.end();
  }
  if (pictures === 0) {
    throw new TesseraeError('dataset-empty', `None of the ${folder.examples.length} pictures in ${data} can be read: ${skipped[0]?.reason ?? ''}.`, {
      remedy: 'Use PNG, JPEG or WebP files.',
    });
  }
  return { counts, pictures, skipped };
}
