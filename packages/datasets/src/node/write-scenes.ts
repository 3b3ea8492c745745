import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, TesseraeError } from '@tesserae/core';
import { readJsonFile, writeFileAtomically } from '@tesserae/core/node';
import { drawScene, type Split, sampleExample } from '../scenes/index.js';
import { loadSharp } from './sharp.js';

export interface WriteScenesOptions extends CallOptions {
  readonly folder: string;
  readonly split: Split;
  /** Pictures to have in the folder in the end. */
  readonly count: number;
  readonly seed: number;
  readonly onProgress?: (done: number, total: number) => void;
}

const recipeFile = 'scenes.json';

/**
 * Writes procedural scenes as PNG files and a `captions.jsonl` that also tells each scene. Scene i depends on seed, split
 * and i alone: running again with a larger count adds the missing ones.
 * @throws TesseraeError `invalid-argument` when the folder holds scenes of another seed or split.
 */
export async function writeScenes(options: WriteScenesOptions): Promise<{ readonly written: number; readonly kept: number }> {
  const { folder, split, count, seed, signal, onProgress } = options;
  const sharp = await loadSharp();
  await mkdir(folder, { recursive: true });
  const present = new Set(await readdir(folder));
  if (present.has(recipeFile)) {
    const before = (await readJsonFile(join(folder, recipeFile))) as { readonly seed?: unknown; readonly split?: unknown };
    if (before.seed !== seed || before.split !== split) {
      throw new TesseraeError('invalid-argument', `${folder} holds scenes of seed ${String(before.seed)}, split ${String(before.split)}.`, {
        remedy: 'Write into another folder.',
      });
    }
  } else {
    await writeFileAtomically(join(folder, recipeFile), `${JSON.stringify({ seed, split })}\n`);
  }
  const lines: string[] = [];
  let written = 0;
  for (let index = 0; index < count; index += 1) {
    signal?.throwIfAborted();
    const { scene, caption } = sampleExample(seed, split, index);
    const file = `${String(index).padStart(6, '0')}.png`;
    lines.push(JSON.stringify({ file, caption, scene }));
    if (!present.has(file)) {
      const { width, height, data } = drawScene(scene);
      await writeFileAtomically(
        join(folder, file),
        await sharp(data, { raw: { width, height, channels: 3 } })
          .png()
          .toBuffer(),
        undefined,
        { flush: false },
      );
      written += 1;
    }
    onProgress?.(index + 1, count);
  }
  await writeFileAtomically(join(folder, 'captions.jsonl'), `${lines.join('\n')}\n`);
  return { written, kept: count - written };
}
