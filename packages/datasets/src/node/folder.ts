import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type CallOptions, type Picture, TesseraeError } from '@tesserae/core';
import { loadSharp } from './sharp.js';

/** A picture file and the captions it may go by, possibly none. */
export interface FolderExample {
  readonly file: string;
  readonly captions: readonly string[];
}

/** A file that was left out, and why. */
export interface SkippedFile {
  readonly file: string;
  readonly reason: string;
}

export interface PictureFolder {
  readonly folder: string;
  readonly examples: readonly FolderExample[];
  readonly skipped: readonly SkippedFile[];
}

const pictureExtensions = new Set(['.png', '.jpg', '.jpeg', '.webp']);
const captionsFile = 'captions.jsonl';

function captionLines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** `captions.jsonl`: one object a line with `file` and `caption` or `captions`. Lines that are not are counted, not fatal. */
function parseCaptionTable(text: string, skipped: SkippedFile[]): Map<string, string[]> {
  const table = new Map<string, string[]>();
  text.split(/\r?\n/).forEach((line, index) => {
    if (line.trim() === '') return;
    try {
      const entry = JSON.parse(line) as { readonly file?: unknown; readonly caption?: unknown; readonly captions?: unknown };
      const given = Array.isArray(entry.captions) ? entry.captions : [entry.caption];
      const captions = given.filter((caption): caption is string => typeof caption === 'string' && caption.trim() !== '');
      if (typeof entry.file !== 'string' || captions.length === 0) throw new Error('it has no "file" or no "caption"');
      table.set(entry.file, [...(table.get(entry.file) ?? []), ...captions]);
    } catch (cause) {
      skipped.push({ file: `${captionsFile}:${index + 1}`, reason: cause instanceof Error ? cause.message : String(cause) });
    }
  });
  return table;
}

/**
 * Lists the pictures (PNG, JPEG, WebP) of a folder with their captions: a `.txt` file of the same name, one caption a line,
 * or a `captions.jsonl`. Files are in alphabetical order. Nothing is decoded yet.
 * @throws TesseraeError `file-missing` without the folder, `dataset-empty` without pictures.
 */
export async function openFolder(folder: string, { signal }: CallOptions = {}): Promise<PictureFolder> {
  let names: string[];
  try {
    names = (await readdir(folder)).sort();
  } catch (cause) {
    throw new TesseraeError('file-missing', `${folder} is no folder that can be read.`, { remedy: 'Check the path.', cause });
  }
  const present = new Set(names);
  const skipped: SkippedFile[] = [];
  const table = present.has(captionsFile) ? parseCaptionTable(await readFile(join(folder, captionsFile), 'utf8'), skipped) : new Map<string, string[]>();
  const examples: FolderExample[] = [];
  for (const name of names) {
    signal?.throwIfAborted();
    const extension = extname(name);
    if (!pictureExtensions.has(extension.toLowerCase())) continue;
    const textFile = `${name.slice(0, -extension.length)}.txt`;
    const own = present.has(textFile) ? captionLines(await readFile(join(folder, textFile), 'utf8')) : [];
    examples.push({ file: name, captions: [...own, ...(table.get(name) ?? [])] });
  }
  for (const file of table.keys()) if (!present.has(file)) skipped.push({ file, reason: `named in ${captionsFile}, but not there` });
  if (examples.length === 0) {
    throw new TesseraeError('dataset-empty', `${folder} holds no pictures.`, { remedy: 'Put PNG, JPEG or WebP files into it.' });
  }
  return { folder, examples, skipped };
}

export interface LoadImagesOptions extends CallOptions {
  /** Pictures become size×size, or this wide and high: resized until they cover it, the centre kept. */
  readonly size: number | { readonly width: number; readonly height: number };
  /** Gives `originals` too: whole pictures whose short side is at most this, at least that of `size`. */
  readonly originalsUpTo?: number;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface LoadedImages {
  readonly examples: readonly FolderExample[];
  /** RGB bytes `[height, width, 3]` of each example. */
  readonly pixels: readonly Uint8Array[];
  /** Whole pictures, in the same order; none unless `originalsUpTo` asks for them. */
  readonly originals: readonly Picture[];
  /** What the folder's listing skipped, and files that are no pictures. */
  readonly skipped: readonly SkippedFile[];
}

/**
 * Decodes every picture of a folder. Broken files are skipped and counted, never fatal.
 * @throws TesseraeError `dataset-empty` when none can be read.
 */
export async function loadImages(folder: PictureFolder, options: LoadImagesOptions): Promise<LoadedImages> {
  const { size, originalsUpTo, signal, onProgress } = options;
  const { width, height } = typeof size === 'number' ? { width: size, height: size } : size;
  const sharp = await loadSharp();
  const examples: FolderExample[] = [];
  const pixels: Uint8Array[] = [];
  const originals: Picture[] = [];
  const skipped: SkippedFile[] = [...folder.skipped];
  for (const [index, example] of folder.examples.entries()) {
    signal?.throwIfAborted();
    try {
      // Transparent parts become white; grey and CMYK pictures become RGB; orientation follows the camera's note.
      const upright = () => sharp(join(folder.folder, example.file)).rotate().flatten({ background: '#ffffff' }).toColourspace('srgb');
      const cropped = await upright().resize(width, height, { fit: 'cover' }).raw().toBuffer({ resolveWithObject: true });
      if (cropped.info.channels !== 3) throw new Error(`it has ${cropped.info.channels} channels`);
      if (originalsUpTo !== undefined) {
        const { width: storedWidth = width, height: storedHeight = height, orientation = 1 } = await sharp(join(folder.folder, example.file)).metadata();
        const [ownWidth, ownHeight] = orientation >= 5 ? [storedHeight, storedWidth] : [storedWidth, storedHeight];
        const least = Math.min(width, height);
        const factor = Math.min(originalsUpTo, Math.max(least, Math.min(ownWidth, ownHeight))) / Math.min(ownWidth, ownHeight);
        const whole = await upright()
          .resize(Math.max(least, Math.round(ownWidth * factor)), Math.max(least, Math.round(ownHeight * factor)), { fit: 'fill' })
          .raw()
          .toBuffer({ resolveWithObject: true });
        originals.push({ width: whole.info.width, height: whole.info.height, data: new Uint8Array(whole.data) });
      }
      pixels.push(new Uint8Array(cropped.data));
      examples.push(example);
    } catch (cause) {
      skipped.push({ file: example.file, reason: cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause) });
    }
    onProgress?.({ done: index + 1, total: folder.examples.length });
  }
  if (examples.length === 0) {
    throw new TesseraeError('dataset-empty', `None of the ${folder.examples.length} pictures in ${folder.folder} can be read: ${skipped[0]?.reason ?? ''}.`, {
      remedy: 'Use PNG, JPEG or WebP files.',
      details: { skipped },
    });
  }
  return { examples, pixels, originals, skipped };
}
