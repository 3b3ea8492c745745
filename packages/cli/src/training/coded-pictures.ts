import { createHash } from 'node:crypto';
import { appendFile, readFile, rm } from 'node:fs/promises';
import { type Grid, type ImageTokenizer, int32Array, isTesseraeError, type Picture, TesseraeError } from '@tesserae/core';
import { type OpenedModel, readSafetensorsFile, writeFileAtomically, writeSafetensorsFile } from '@tesserae/core/node';
import { loadImages, type PictureFolder, type SkippedFile } from '@tesserae/datasets/node';
import { encodingParameters, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import type { PictureSize } from '../pictures.js';
import type { Output } from '../terminal/output.js';
import type { CodedPicture } from './train-prior.js';

/** Pictures that a tokenizer has read once and for all. */
export interface CodedPictures {
  readonly pictures: readonly CodedPicture[];
  readonly grid: Grid;
  readonly codebookSize: number;
  /** What made them (`encoderHash`): codes mean nothing to another encoder's prior. */
  readonly encoder: string;
}

/**
 * SHA-256 of what decides codes: the configuration and the weights that encoding reads. A decoder that was refined later changes nothing.
 */
export async function encoderHash(model: OpenedModel): Promise<string> {
  const configuration = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
  const weights = await model.openWeights('imageTokenizer');
  const hash = createHash('sha256').update(JSON.stringify(configuration));
  for (const name of [...encodingParameters(configuration).keys()].sort()) {
    const { data } = await weights.read(name);
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** Pictures encoded at a time. */
const batchSize = 32;

/** Encodes pictures in memory; those without captions too. */
export async function encodePictures(
  tokenizer: ImageTokenizer,
  pictures: readonly { readonly captions: readonly string[]; readonly pixels: Uint8Array }[],
  size: PictureSize,
  { output, signal }: { readonly output: Output; readonly signal: AbortSignal },
): Promise<CodedPicture[]> {
  const coded: CodedPicture[] = [];
  const bar = output.progress('encoding pictures', pictures.length, 'pictures');
  try {
    for (let start = 0; start < pictures.length; start += batchSize) {
      signal.throwIfAborted();
      const batch = pictures.slice(start, start + batchSize);
      const codes = await tokenizer.encode(
        batch.map(({ pixels }): Picture => ({ ...size, data: pixels })),
        { signal },
      );
      batch.forEach(({ captions }, index) => {
        coded.push({ captions, codes: codes[index] ?? new Int32Array() });
      });
      bar.update(coded.length);
    }
    return coded;
  } finally {
    bar.end();
  }
}

/** A line of the journal: some files of the folder, in order, and what became of them. */
interface JournalLine {
  /** Files of the listing that are done with this line, broken ones included. */
  readonly done: number;
  readonly captions: readonly (readonly string[])[];
  /** int32, little-endian, base64. */
  readonly codes: string;
  readonly skipped: readonly SkippedFile[];
}

/** The lines that were written whole, if the first says they belong to this work. */
async function readJournal(file: string, identity: string): Promise<JournalLine[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const lines: unknown[] = [];
  for (const line of text.split('\n')) {
    try {
      lines.push(JSON.parse(line));
    } catch {
      // What a crash cut off ends the journal.
      break;
    }
  }
  const [first, ...rest] = lines;
  return first === identity ? (rest as JournalLine[]) : [];
}

export interface TokenizeFolderOptions {
  readonly folder: PictureFolder;
  readonly tokenizer: ImageTokenizer;
  /** `encoderHash` of the tokenizer's model. */
  readonly encoder: string;
  /** Pictures are resized until they cover it and cropped around their centre; multiples of the tokenizer's downsampling. */
  readonly size: PictureSize;
  /** The safetensors file to write. */
  readonly out: string;
  readonly output: Output;
  readonly signal: AbortSignal;
}

export interface TokenizedFolder {
  readonly pictures: number;
  /** Pictures that an interrupted run had done already. */
  readonly kept: number;
  readonly skipped: readonly SkippedFile[];
}

/**
 * Encodes a whole folder, a batch of pictures in memory at a time, into `codes` [pictures, rows, columns] int32 with the captions in the
 * metadata. What is done is noted in `<out>.partial`: an interrupted run goes on there, if tokenizer, size and files are still the same.
 */
export async function tokenizeFolder(options: TokenizeFolderOptions): Promise<TokenizedFolder> {
  const { folder, tokenizer, encoder, size, out, output, signal } = options;
  const [rows, columns] = [size.height / tokenizer.downsampling, size.width / tokenizer.downsampling];
  const journal = `${out}.partial`;
  const identity = createHash('sha256')
    .update(JSON.stringify([encoder, size.width, size.height, folder.examples]))
    .digest('hex');
  const lines = await readJournal(journal, identity);
  await writeFileAtomically(journal, [identity, ...lines].map((line) => `${JSON.stringify(line)}\n`).join(''));
  const kept = lines.reduce((sum, { captions }) => sum + captions.length, 0);
  let done = lines.reduce((sum, line) => sum + line.done, 0);
  const bar = output.progress('encoding pictures', folder.examples.length, 'pictures');
  try {
    while (done < folder.examples.length) {
      signal.throwIfAborted();
      const examples = folder.examples.slice(done, done + batchSize);
      const { loaded, skipped } = await loadBatch({ ...folder, examples, skipped: [] }, size, signal);
      const codes = await tokenizer.encode(
        loaded.map(({ pixels }): Picture => ({ ...size, data: pixels })),
        { signal },
      );
      const flat = Buffer.concat(codes.map((list) => Buffer.from(Int32Array.from(list).buffer)));
      const line: JournalLine = { done: examples.length, captions: loaded.map(({ captions }) => captions), codes: flat.toString('base64'), skipped };
      await appendFile(journal, `${JSON.stringify(line)}\n`);
      lines.push(line);
      done += examples.length;
      bar.update(done);
    }
  } finally {
    bar.end();
  }
  const captions = lines.flatMap((line) => line.captions);
  const skipped = [...folder.skipped, ...lines.flatMap((line) => line.skipped)];
  if (captions.length === 0) {
    throw new TesseraeError('dataset-empty', `None of the ${folder.examples.length} pictures in ${folder.folder} can be read: ${skipped[0]?.reason ?? ''}.`, {
      remedy: 'Use PNG, JPEG or WebP files.',
    });
  }
  const codes = new Int32Array(captions.length * rows * columns);
  let offset = 0;
  for (const line of lines) {
    const bytes = Uint8Array.from(Buffer.from(line.codes, 'base64'));
    codes.set(new Int32Array(bytes.buffer), offset);
    offset += bytes.length / 4;
  }
  await writeSafetensorsFile(out, new Map([['codes', int32Array([captions.length, rows, columns], codes)]]), {
    encoder,
    codebookSize: `${tokenizer.codebookSize}`,
    captions: JSON.stringify(captions),
  });
  await rm(journal, { force: true });
  return { pictures: captions.length, kept, skipped };
}

/** Reads some pictures of a folder. Broken ones are skipped, also when all of them are. */
export async function loadBatch(
  folder: PictureFolder,
  size: PictureSize,
  signal: AbortSignal,
): Promise<{ readonly loaded: { captions: readonly string[]; pixels: Uint8Array }[]; readonly skipped: readonly SkippedFile[] }> {
  try {
    const { examples, pixels, skipped } = await loadImages(folder, { size, signal });
    return { loaded: examples.map(({ captions }, index) => ({ captions, pixels: pixels[index] ?? new Uint8Array() })), skipped };
  } catch (error) {
    // A batch of broken pictures is no reason to stop; a folder of them is.
    if (!isTesseraeError(error) || error.code !== 'dataset-empty') throw error;
    return { loaded: [], skipped: error.details.skipped as readonly SkippedFile[] };
  }
}

/** Reads what `tokenizeFolder` wrote. @throws TesseraeError `file-corrupt` naming what is wrong with the file. */
export async function readCodedPictures(file: string): Promise<CodedPictures> {
  const { arrays, metadata } = await readSafetensorsFile(file);
  const fail = (problem: string): never => {
    throw new TesseraeError('file-corrupt', `${file} ${problem}.`, { remedy: 'Make it with tesserae tokenize.', details: { file } });
  };
  const codes = arrays.get('codes');
  if (codes === undefined || codes.dtype !== 'int32' || codes.shape.length !== 3) return fail('holds no codes [pictures, rows, columns] of int32');
  const [count = 0, rows = 0, columns = 0] = codes.shape;
  const codebookSize = Number(metadata.codebookSize);
  if (!Number.isInteger(codebookSize)) fail('does not say the size of its codebook');
  const wrong = codes.data.find((code) => code < 0 || code >= codebookSize);
  if (wrong !== undefined) fail(`holds the code ${wrong}, which a codebook of ${codebookSize} does not have`);
  const captions = ((): unknown => {
    try {
      return JSON.parse(metadata.captions ?? '');
    } catch {
      return undefined;
    }
  })();
  const isCaptions = (value: unknown): value is string[] => Array.isArray(value) && value.every((caption) => typeof caption === 'string');
  if (!Array.isArray(captions) || captions.length !== count || !captions.every(isCaptions)) return fail(`does not hold the captions of its ${count} pictures`);
  const size = rows * columns;
  return {
    pictures: captions.map((list: string[], index) => ({ captions: list, codes: Int32Array.from(codes.data.subarray(index * size, (index + 1) * size)) })),
    grid: { rows, columns },
    codebookSize,
    encoder: metadata.encoder ?? '',
  };
}

/** The same, if this model's encoder made it. @throws TesseraeError `model-incompatible`. */
export async function codedBy(model: OpenedModel, file: string): Promise<CodedPictures> {
  const coded = await readCodedPictures(file);
  if (coded.encoder !== (await encoderHash(model))) {
    throw new TesseraeError('model-incompatible', `The codes in ${file} were made by another encoder.`, {
      remedy: 'Make them again with tesserae tokenize and this model.',
    });
  }
  return coded;
}
