import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TesseraeError } from '../errors/index.js';

/** The part of a file handle that writing needs; tests pass one that fails. */
export type OpenFile = (path: string) => Promise<Pick<FileHandle, 'writev' | 'sync' | 'close'>>;

/** So much is written before the disk begins to take it, while more is made: at the end there is little left to wait for. */
const flushBytes = 128 << 20;

function remedyFor(cause: unknown): string {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case 'ENOSPC':
      return 'The disk is full: free some space and try again; what was there before is untouched.';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'You may not write there: choose another folder.';
    default:
      return 'Check the folder and try again; what was there before is untouched.';
  }
}

/**
 * Writes a file so that it is either the old one or the whole new one, also after a crash: temporary file beside it,
 * flush to the disk, rename. Pieces may come one by one, each made when the one before is written; what their making throws
 * comes out as it is. `flush: false` is for many small files that can be made again. @throws TesseraeError `file-write-failed` with the path and the remedy.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  openFile: OpenFile = (target) => open(target, 'w'),
  options: { readonly flush?: boolean } = {},
): Promise<void> {
  const pieces = typeof content === 'string' ? [new TextEncoder().encode(content)] : content instanceof Uint8Array ? [content] : content;
  // A name of its own: two writers of one file, in this process or another, must not share it.
  const temporary = `${path}.${randomUUID()}.tmp`;
  let refusal: { readonly cause: unknown } | undefined;
  async function* made(): AsyncIterable<Uint8Array> {
    try {
      yield* pieces;
    } catch (cause) {
      refusal = { cause };
      throw cause;
    }
  }
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await openFile(temporary);
    let flushing: Promise<void> | undefined;
    try {
      let unflushed = 0;
      for await (const piece of made()) {
        // writev may write less than asked on very large pieces.
        for (let offset = 0; offset < piece.length; ) {
          const { bytesWritten } = await handle.writev([piece.subarray(offset, offset + (1 << 30))]);
          offset += bytesWritten;
        }
        unflushed += piece.length;
        if (options.flush !== false && unflushed >= flushBytes) {
          unflushed = 0;
          await flushing;
          flushing = handle.sync();
          // Looked at before the next one begins, or at the end.
          flushing.catch(() => undefined);
        }
      }
      await flushing;
      if (options.flush !== false) await handle.sync();
    } finally {
      await flushing?.catch(() => undefined);
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (refusal !== undefined) throw refusal.cause;
    throw new TesseraeError('file-write-failed', `${path} could not be written: ${cause instanceof Error ? cause.message : String(cause)}.`, { remedy: remedyFor(cause), cause });
  }
}
