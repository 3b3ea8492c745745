import { mkdir, open, readFile, rm, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomically } from './atomic-file.js';
import { type BackgroundHash, hashInBackground, sha256OfFile, smallestInBackground } from './file-hash.js';
import { writePieces, writingTo } from './write-pieces.js';

const journalOf = (path: string): string => `${path}.written`;

/** How much of a file that `writeResumableFile` began is on the disk for certain: 0 where it never was. */
async function bytesWritten(path: string): Promise<number> {
  const journal = await readFile(journalOf(path), 'utf8')
    .then((text): unknown => JSON.parse(text))
    .catch(() => undefined);
  const bytes = typeof journal === 'object' && journal !== null && 'bytes' in journal ? journal.bytes : undefined;
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  return typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= size ? bytes : 0;
}

/**
 * Writes a large file in a folder that is only put in place when all of it is there, and gives its SHA-256. `pieces` is asked for what comes behind the
 * first `from` bytes. How far it got is noted beside it, so that after an interruption the same call goes on there; `forgetProgress` removes the note.
 * Who calls sees to it that what was begun is of the same content.
 * @throws TesseraeError `file-write-failed`; what the making of pieces throws comes out as it is.
 */
export async function writeResumableFile(path: string, pieces: (from: number) => AsyncIterable<Uint8Array>): Promise<string> {
  const from = await bytesWritten(path);
  const file = await writingTo(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    if (from > 0) await truncate(path, from);
    return open(path, from > 0 ? 'a' : 'w');
  });
  const note = (bytes: number): Promise<void> => writeFileAtomically(journalOf(path), JSON.stringify({ bytes }));
  let background: BackgroundHash | undefined;
  let written = from;
  const reach = (bytes: number): void => {
    written = from + bytes;
    if (written >= smallestInBackground) background ??= hashInBackground(path);
    background?.reach(written);
  };
  try {
    try {
      reach(0);
      await writePieces(path, file, pieces(from), { onWritten: reach, onFlushed: (bytes) => note(from + bytes) });
    } catch (cause) {
      // What is there already is worth keeping; if that fails too, the note tells of less.
      await file
        .sync()
        .then(() => note(written))
        .catch(() => undefined);
      throw cause;
    } finally {
      await writingTo(path, () => file.close());
    }
    return await (background?.finish(written) ?? sha256OfFile(path));
  } finally {
    await background?.close();
  }
}

/** Removes the note of how far a file got. */
export const forgetProgress = (path: string): Promise<void> => rm(journalOf(path), { force: true });
