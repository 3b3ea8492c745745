import { Worker } from 'node:worker_threads';
import { TesseraeError } from '@tesserae/core';
import { sha256OfFile } from '@tesserae/core/node';
import type { ReadOptions } from '../byte-source.js';

/** Below this a thread costs more than it saves. */
const smallestInBackground = 64 << 20;

/** As text, so that it needs no file of its own in either module system. */
const hashing = `
const { parentPort, workerData } = require('node:worker_threads');
const { closeSync, openSync, readSync } = require('node:fs');
const hash = require('node:crypto').createHash('sha256');
const piece = Buffer.allocUnsafeSlow(1 << 20);
const file = openSync(workerData, 'r');
for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) hash.update(piece.subarray(0, read));
closeSync(file);
parentPort.postMessage(hash.digest('hex'));
`;

/** A file's SHA-256; of a large file in a thread of its own, beside what else is done with it. @throws TesseraeError `file-missing`. */
export async function hashInBackground(path: string, size: number, { signal }: ReadOptions = {}): Promise<string> {
  if (size < smallestInBackground) return sha256OfFile(path, { signal });
  signal?.throwIfAborted();
  const worker = new Worker(hashing, { eval: true, workerData: path, execArgv: [] });
  const stop = (): void => void worker.terminate();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', (cause) =>
        reject(new TesseraeError('file-missing', `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`, { remedy: 'Check the file.', cause })),
      );
      worker.once('exit', () => reject(signal?.reason ?? new TesseraeError('file-missing', `${path} could not be hashed.`, { remedy: 'Try again.' })));
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
