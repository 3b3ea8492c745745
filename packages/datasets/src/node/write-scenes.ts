import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TesseraeError } from '@tesserae/core';
import { writeFileAtomically } from '@tesserae/core/node';
import { drawScene } from '../scenes/draw.js';
import { sampleExample } from '../scenes/sample.js';
import type { Scene, Split } from '../scenes/scene.js';
import { sceneSize } from '../scenes/scene.js';
import { inParallel } from './in-parallel.js';
import { loadSharp } from './sharp.js';

const recipeFile = 'scenes.json';
/** The bytes that end every PNG (its IEND chunk); a file that has them was written to the end. */
const pngEnd = Uint8Array.of(0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82);
/** Encoding happens on libuv's threads, of which there are four by default. */
const lanes = 4;

export interface WriteScenesOptions {
  readonly count: number;
  /** Default 'train'. */
  readonly split?: Split;
  /** Default 0. */
  readonly seed?: number;
  /** Side of the pictures in pixels, default 64. */
  readonly size?: number;
  /** Only scenes with one object, or only with two. Default: half and half. */
  readonly kind?: Scene['kind'];
  readonly signal?: AbortSignal;
  /** Called after every picture, with how many are there. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface WriteScenesResult {
  readonly count: number;
  /** How many were there already, from an earlier run. */
  readonly kept: number;
}

async function isWholePng(path: string): Promise<boolean> {
  try {
    const handle = await open(path);
    try {
      const { size } = await handle.stat();
      const tail = new Uint8Array(pngEnd.length);
      await handle.read(tail, 0, tail.length, Math.max(0, size - tail.length));
      return tail.every((byte, index) => byte === pngEnd[index]);
    } finally {
      await handle.close();
    }
  } catch {
    return false;
  }
}

/** Refuses a folder that holds other scenes; a folder of the same recipe is gone on with. */
async function claimFolder(folder: string, recipe: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new TesseraeError('file-write-failed', `The folder "${folder}" cannot be made.`, { remedy: 'Choose another place to write to.', details: { folder }, cause });
  }
  const path = join(folder, recipeFile);
  const present = await readFile(path, 'utf8').catch(() => undefined);
  if (present !== undefined && present !== recipe) {
    throw new TesseraeError('invalid-argument', `"${folder}" already holds scenes of another recipe: ${present.trim()}.`, {
      remedy: 'Write to an empty folder, or delete this one first.',
      details: { folder, present, wanted: recipe },
    });
  }
  const captionsThere = await stat(join(folder, 'captions.jsonl')).catch(() => undefined);
  if (present === undefined && captionsThere !== undefined) {
    throw new TesseraeError('invalid-argument', `"${folder}" already holds a data set ("captions.jsonl") that is not scenes.`, {
      remedy: 'Write to an empty folder.',
      details: { folder },
    });
  }
  if (present === undefined) {
    await writeFileAtomically(path, recipe);
  }
}

/**
 * Writes a folder of scenes: `000000.png`, … and `captions.jsonl` with a line `{"file","caption","scene"}` a picture.
 * The same options always write the same folder. An interrupted run goes on where it stopped, and a larger count
 * extends a folder; both keep the pictures that are there.
 *
 * @throws TesseraeError `missing-dependency` without `sharp`, `invalid-argument` for a bad count or a folder that
 *   holds something else, `file-write-failed`; the signal's reason when aborted.
 */
export async function writeScenes(folder: string, options: WriteScenesOptions): Promise<WriteScenesResult> {
  const { count, split = 'train', seed = 0, size = sceneSize, kind, signal, onProgress } = options;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new TesseraeError('invalid-argument', `${count} scenes cannot be written.`, { remedy: 'Give a whole number ≥ 1 as count.', details: { count } });
  }
  if (!Number.isSafeInteger(size) || size < 16 || size > 1024) {
    throw new TesseraeError('invalid-argument', `Scenes cannot be ${size} pixels wide.`, { remedy: 'Give a whole number from 16 to 1024 as size.', details: { size } });
  }
  const sampleOptions = kind === undefined ? {} : { kind };
  sampleExample(seed, split, 0, sampleOptions); // a bad seed or split is refused before anything is written
  const sharp = await loadSharp();
  signal?.throwIfAborted();
  await claimFolder(folder, `${JSON.stringify({ scenes: 'v1', seed, split, size, kind: kind ?? 'both' })}\n`);

  const lines: string[] = new Array<string>(count);
  let done = 0;
  let kept = 0;
  await inParallel(count, lanes, signal, async (index) => {
    const { scene, caption } = sampleExample(seed, split, index, sampleOptions);
    const file = `${String(index).padStart(6, '0')}.png`;
    lines[index] = JSON.stringify({ file, caption, scene });
    const path = join(folder, file);
    if (await isWholePng(path)) {
      kept += 1;
    } else {
      const picture = drawScene(scene, size);
      const png = await sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: 3 } })
        .png({ compressionLevel: 6 })
        .toBuffer();
      // Not flushed each: after a crash, a picture that did not reach the disk has no PNG end and is drawn again.
      await writeFileAtomically(path, png, undefined, { flush: false });
    }
    done += 1;
    onProgress?.({ done, total: count });
  });
  // A folder extended earlier keeps the captions of the pictures beyond this count.
  const captionsPath = join(folder, 'captions.jsonl');
  const earlier = (await readFile(captionsPath, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  await writeFileAtomically(captionsPath, `${[...lines, ...earlier.slice(count)].join('\n')}\n`);
  return { count, kept };
}
