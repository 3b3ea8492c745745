import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { writeFileAtomically } from './atomic-file.js';
import { missingFile } from './missing-file.js';

/** Below this a thread costs more than it saves. */
export const smallestInBackground = 64 << 20;

/**
 * As text, so that it needs no file of its own in either module system. `state` is twice the bytes that are there, and one more when there will
 * be no others: one number, so that no change of it can be missed between looking and waiting.
 */
const hashing = `
const { parentPort, workerData: { descriptor, state } } = require('node:worker_threads');
const { readSync } = require('node:fs');
const hash = require('node:crypto').createHash('sha256');
const piece = Buffer.allocUnsafeSlow((1 << 20) + 2048).subarray(2048);
for (let at = 0; ; ) {
  const now = Atomics.load(state, 0);
  const there = Number(now >> 1n);
  if (at < there) {
    const read = readSync(descriptor, piece, 0, Math.min(piece.length, there - at), at);
    if (read === 0) throw new Error('it became shorter while it was read');
    hash.update(piece.subarray(0, read));
    at += read;
  } else if (now & 1n) break;
  else Atomics.wait(state, 0, now);
}
parentPort.postMessage(hash.digest('hex'));
`;

/** The SHA-256 of a file, made by a thread that reads as far as it is told that the file is there. */
export interface BackgroundHash {
  /** So many bytes are there. */
  reach(bytes: number): void;
  /** The hash of all that is there: the file ends with it. */
  finish(bytes: number): Promise<string>;
  /** What `finish` promised fails then. */
  stop(): void;
  close(): Promise<void>;
}

export function hashInBackground(path: string): BackgroundHash {
  let descriptor: number;
  try {
    // Here and not in the thread: the file may be renamed before the thread has started.
    descriptor = openSync(path, 'r');
  } catch (cause) {
    return missingFile(path, cause);
  }
  const state = new BigInt64Array(new SharedArrayBuffer(8));
  const tell = (value: bigint): void => {
    Atomics.store(state, 0, value);
    Atomics.notify(state, 0);
  };
  const worker = new Worker(hashing, { eval: true, workerData: { descriptor, state }, execArgv: [] });
  const result = new Promise<string>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('its hashing was stopped')));
  }).catch((cause: unknown) => missingFile(path, cause));
  // Looked at when it is asked for, which it is not if writing fails before.
  result.catch(() => undefined);
  return {
    reach: (bytes) => tell(BigInt(bytes) << 1n),
    finish(bytes) {
      tell((BigInt(bytes) << 1n) | 1n);
      return result;
    },
    stop: () => void worker.terminate(),
    async close() {
      await worker.terminate();
      closeSync(descriptor);
    },
  };
}

/** A file's SHA-256 as hexadecimal text; that of a large one is made in a thread of its own. @throws TesseraeError `file-missing`. */
export async function sha256OfFile(path: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<string> {
  const { signal } = options;
  signal?.throwIfAborted();
  const { size } = await stat(path).catch((cause: unknown) => missingFile(path, cause));
  if (size >= smallestInBackground) {
    const background = hashInBackground(path);
    signal?.addEventListener('abort', background.stop, { once: true });
    try {
      return await background.finish(size);
    } catch (cause) {
      signal?.throwIfAborted();
      throw cause;
    } finally {
      signal?.removeEventListener('abort', background.stop);
      await background.close();
    }
  }
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) })) hash.update(piece as Uint8Array);
  } catch (cause) {
    signal?.throwIfAborted();
    return missingFile(path, cause);
  }
  return hash.digest('hex');
}

/**
 * Writes a file atomically (`writeFileAtomically`) and gives its SHA-256. Of a large one it is made in a thread that reads along behind the writing,
 * from the system's memory.
 */
export async function writeHashedFile(path: string, pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  let background: BackgroundHash | undefined;
  let size = 0;
  async function* hashed(): AsyncIterable<Uint8Array> {
    for await (const piece of pieces) {
      if (background === undefined) hash.update(piece);
      yield piece;
    }
  }
  try {
    await writeFileAtomically(path, hashed(), undefined, {
      onWritten(temporary, bytes) {
        size = bytes;
        if (bytes >= smallestInBackground) background ??= hashInBackground(temporary);
        background?.reach(bytes);
      },
    });
    return (await background?.finish(size)) ?? hash.digest('hex');
  } finally {
    await background?.close();
  }
}
