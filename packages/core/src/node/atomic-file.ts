import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TesseraeError } from '../errors/index.js';

/** The part of a file handle that writing needs; tests pass one that fails. */
export type OpenFile = (path: string) => Promise<Pick<FileHandle, 'writev' | 'sync' | 'close'>>;

/** A piece of at most this many bytes is written while the next one is made; of larger ones there shall be no two in memory. */
const largestBehind = 4 << 20;

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
 * flush to the disk, rename. Pieces may come one by one, each made while the one before is written: a piece holds until the next but one is
 * asked for. What their making throws comes out as it is. `flush: false` is for many small files that can be made again; `onWritten` is told how many
 * bytes the temporary file has. @throws TesseraeError `file-write-failed` with the path and the remedy.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  openFile: OpenFile = (target) => open(target, 'w'),
  options: { readonly flush?: boolean; readonly onWritten?: (temporary: string, bytes: number) => void } = {},
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
    let writing: Promise<void> | undefined;
    let flushing: Promise<void> | undefined;
    let written = 0;
    let flushed = 0;
    const write = async (piece: Uint8Array): Promise<void> => {
      // writev may write less than asked on very large pieces.
      for (let offset = 0; offset < piece.length; ) {
        const { bytesWritten } = await handle.writev([piece.subarray(offset, offset + (1 << 30))]);
        offset += bytesWritten;
      }
      written += piece.length;
      options.onWritten?.(temporary, written);
      if (options.flush === false || written - flushed < flushBytes) return;
      flushed = written;
      await flushing;
      flushing = handle.sync();
      // Looked at before the next one begins, or at the end.
      flushing.catch(() => undefined);
    };
    try {
      for await (const piece of made()) {
        await writing;
        writing = write(piece);
        // Looked at when the next piece is there.
        writing.catch(() => undefined);
        if (piece.length > largestBehind) await writing;
      }
      await writing;
      await flushing;
      if (options.flush !== false) await handle.sync();
    } finally {
      await writing?.catch(() => undefined);
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
