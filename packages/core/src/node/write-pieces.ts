import type { FileHandle } from 'node:fs/promises';
import { TesseraeError } from '../errors/index.js';

/** The part of a file handle that writing needs; tests pass one that fails. */
export type WritableFile = Pick<FileHandle, 'writev' | 'sync' | 'close'>;

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

/** What `action` does to the file at `path`. @throws TesseraeError `file-write-failed` with the path and the remedy. */
export async function writingTo<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw new TesseraeError('file-write-failed', `${path} could not be written: ${cause instanceof Error ? cause.message : String(cause)}.`, { remedy: remedyFor(cause), cause });
  }
}

export interface WritePiecesOptions {
  /** Whether what is written is also on the disk at the end. Default true. */
  readonly flush?: boolean;
  /** Told how many bytes the file has been given. */
  readonly onWritten?: (bytes: number) => void;
  /** Told how many of them are on the disk. */
  readonly onFlushed?: (bytes: number) => Promise<void>;
}

/**
 * Writes pieces one behind the other, each made while the one before is written: a piece holds until the next but one is asked for. What their making
 * throws comes out as it is. @throws TesseraeError `file-write-failed`, which names `path`.
 */
export async function writePieces(
  path: string,
  file: WritableFile,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { flush = true, onWritten, onFlushed }: WritePiecesOptions = {},
): Promise<void> {
  let writing: Promise<void> | undefined;
  let flushing: Promise<void> | undefined;
  let written = 0;
  let flushed = 0;
  const flushTo = async (bytes: number): Promise<void> => {
    await writingTo(path, () => file.sync());
    await onFlushed?.(bytes);
  };
  const write = async (piece: Uint8Array): Promise<void> => {
    // writev may write less than asked on very large pieces.
    for (let offset = 0; offset < piece.length; ) {
      const { bytesWritten } = await writingTo(path, () => file.writev([piece.subarray(offset, offset + (1 << 30))]));
      offset += bytesWritten;
    }
    written += piece.length;
    onWritten?.(written);
    if (!flush || written - flushed < flushBytes) return;
    flushed = written;
    await flushing;
    flushing = flushTo(written);
    // Looked at before the next one begins, or at the end.
    flushing.catch(() => undefined);
  };
  try {
    for await (const piece of pieces) {
      await writing;
      writing = write(piece);
      // Looked at when the next piece is there.
      writing.catch(() => undefined);
      if (piece.length > largestBehind) await writing;
    }
    await writing;
    await flushing;
    if (flush) await flushTo(written);
  } finally {
    await writing?.catch(() => undefined);
    await flushing?.catch(() => undefined);
  }
}
