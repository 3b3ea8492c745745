import { describe, expect, it } from 'vitest';
import type { ByteSource } from './byte-source.js';
import { pieceBytes, streamBytes } from './stream-bytes.js';

/** Reads at once, so that memory that is used again too early shows. */
function numbered(size: number): ByteSource & { readonly reads: number[] } {
  const reads: number[] = [];
  const fill = (offset: number, target: Uint8Array): Uint8Array => target.map((_, index) => Math.floor((offset + index) / pieceBytes));
  return {
    name: 'numbers',
    size,
    reads,
    read: async (offset, length) => fill(offset, new Uint8Array(length)),
    readInto: async (offset, target) => {
      reads.push(offset);
      target.set(fill(offset, target));
    },
  };
}

describe('a stream of bytes', () => {
  it('reads one piece ahead, and keeps a piece until the next but one is asked for', async () => {
    const source = numbered(5 * pieceBytes + 3);
    const pieces = streamBytes(source, 1, source.size - 1)[Symbol.asyncIterator]();
    let before: Uint8Array | undefined;
    for (let index = 0; index < 6; index += 1) {
      const { value } = await pieces.next();
      await new Promise(setImmediate);
      const [now, last]: (Uint8Array | undefined)[] = [value, before];
      expect([now?.[0], now?.at(-2), last?.[0]]).toEqual([index, index, index === 0 ? undefined : index - 1]);
      expect(source.reads.length).toBe(Math.min(index + 2, 6));
      before = now;
    }
    expect(await pieces.next()).toMatchObject({ done: true });
  });
});
