import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type WritableFile, writePieces, writingTo } from './write-pieces.js';

export type OpenFile = (path: string) => Promise<WritableFile>;

/**
 * Writes a file so that it is either the old one or the whole new one, also after a crash: temporary file beside it,
 * flush to the disk, rename. Pieces may come one by one (`writePieces`). `flush: false` is for many small files that can be made again; `onWritten` is
 * told how many bytes the temporary file has. @throws TesseraeError `file-write-failed` with the path and the remedy.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  openFile: OpenFile = (target) => open(target, 'w'),
  options: { readonly flush?: boolean; readonly onWritten?: (temporary: string, bytes: number) => void } = {},
): Promise<void> {
  const { flush = true, onWritten } = options;
  const pieces = typeof content === 'string' ? [new TextEncoder().encode(content)] : content instanceof Uint8Array ? [content] : content;
  // A name of its own: two writers of one file, in this process or another, must not share it.
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await writingTo(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      return openFile(temporary);
    });
    try {
      await writePieces(path, file, pieces, { flush, onWritten: (bytes) => onWritten?.(temporary, bytes) });
    } finally {
      await writingTo(path, () => file.close());
    }
    await writingTo(path, () => rename(temporary, path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw cause;
  }
}
