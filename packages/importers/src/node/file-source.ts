import { closeSync, fstatSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { missingFile } from '@tesserae/core/node';
import { type ByteSource, checkRange } from '../byte-source.js';
import { readingMemory } from '../reading-memory.js';
import { refuseDamaged } from '../refusal.js';

/** Some systems read at most 2 GiB at once. */
const mostAtOnce = 1 << 30;

const readAsync = promisify(read);
/** Opening blocks for microseconds; a thread's turn for it, before every tensor, would cost more than reading a small one. */
async function withFile<T>(path: string, use: (descriptor: number) => Promise<T> | T): Promise<T> {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (cause) {
    return missingFile(path, cause);
  }
  try {
    return await use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * A file of the disk. It is open only while it is read: there is nothing to close.
 * @throws TesseraeError `file-missing`.
 */
export async function fileSource(path: string): Promise<ByteSource> {
  const size = await withFile(path, (descriptor) => {
    const stats = fstatSync(descriptor);
    return stats.isFile() ? stats.size : missingFile(path, new Error('it is not a file'));
  });
  const readInto: NonNullable<ByteSource['readInto']> = async (offset, target, { signal } = {}) => {
    signal?.throwIfAborted();
    checkRange({ name: path, size }, offset, target.length);
    await withFile(path, async (descriptor) => {
      for (let done = 0; done < target.length; ) {
        const { bytesRead } = await readAsync(descriptor, target, done, Math.min(target.length - done, mostAtOnce), offset + done).catch((cause: unknown) =>
          missingFile(path, cause),
        );
        if (bytesRead === 0) refuseDamaged(path, `it became shorter while it was read: it ends at byte ${offset + done}`);
        done += bytesRead;
        signal?.throwIfAborted();
      }
    });
  };
  return {
    name: path,
    size,
    readInto,
    async read(offset, length, options) {
      checkRange({ name: path, size }, offset, length);
      // Not zeroed first: every byte is read into, or the read fails. Not pooled: its buffer is its own.
      const bytes = readingMemory(length, (size) => Buffer.allocUnsafeSlow(size).buffer);
      await readInto(offset, bytes, options);
      return bytes;
    },
  };
}
