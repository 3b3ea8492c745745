import { type ByteSource, checkRange, type ReadOptions } from './byte-source.js';
import { readingMemory } from './reading-memory.js';

/** Large enough to keep a disk busy, small enough to stay near the processor from reading to writing. */
export const pieceBytes = 1 << 20;

/**
 * `length` bytes from `offset` on in pieces, each read while the one before is looked at, and the one before that perhaps written. Their memory is used again: a piece holds until the
 * next but one is asked for. (Memory that is new for every read costs more than the read, on every system: its pages are cleared first.)
 * @throws TesseraeError `file-corrupt` when they are not all there.
 */
export async function* streamBytes(source: ByteSource, offset: number, length: number, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
  checkRange(source, offset, length);
  const { readInto } = source;
  const buffers = readInto === undefined ? [] : [0, 1, 2].map(() => readingMemory(Math.min(pieceBytes, length)));
  const begin = (at: number): Promise<Uint8Array> | undefined => {
    if (at >= length) return undefined;
    const size = Math.min(pieceBytes, length - at);
    const target = buffers[(at / pieceBytes) % 3]?.subarray(0, size);
    const reading = target === undefined || readInto === undefined ? source.read(offset + at, size, options) : readInto(offset + at, target, options).then(() => target);
    // Looked at when its turn comes, which it does not if nobody asks for it.
    reading.catch(() => undefined);
    return reading;
  };
  let reading = begin(0);
  for (let at = 0; reading !== undefined; at += pieceBytes) {
    const bytes: Uint8Array = await reading;
    reading = begin(at + pieceBytes);
    yield bytes;
  }
}
