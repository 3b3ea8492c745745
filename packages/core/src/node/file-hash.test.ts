import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256OfFile, writeHashedFile } from './file-hash.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-hash-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
/** Not the same at any two places of a size that pieces have. */
const numbered = (length: number): Buffer => Buffer.from(Uint32Array.from({ length: length >> 2 }, (_, index) => index * 2654435761).buffer);
/** A little more than is hashed in the thread that asks. */
const large = (64 << 20) + 12;

/** In pieces whose memory is used again, as often as it may be. */
async function* recycled(content: Uint8Array): AsyncIterable<Uint8Array> {
  const memory = [0, 1, 2].map(() => new Uint8Array(1 << 20));
  for (let at = 0, index = 0; at < content.length; at += 1 << 20, index += 1) {
    const piece = (memory[index % 3] ?? new Uint8Array()).subarray(0, Math.min(1 << 20, content.length - at));
    piece.set(content.subarray(at, at + piece.length));
    yield piece;
  }
}

describe('the hash of a file', () => {
  it.each([['small', 5000] as const, ['large', large] as const])('is that of its bytes: a %s one', async (name, length) => {
    const content = numbered(length);
    await writeFile(join(folder, name), content);
    expect(await sha256OfFile(join(folder, name))).toBe(sha256(content));
  });

  it('fails for what is not there and what is no file, and stops when told', async () => {
    await expect(sha256OfFile(join(folder, 'none'))).rejects.toMatchObject({ code: 'file-missing' });
    await expect(sha256OfFile(folder)).rejects.toMatchObject({ code: 'file-missing' });
    await writeFile(join(folder, 'large'), numbered(large));
    const abort = new AbortController();
    const hashing = sha256OfFile(join(folder, 'large'), { signal: abort.signal });
    setTimeout(() => abort.abort(new Error('enough')), 5);
    await expect(hashing).rejects.toThrow('enough');
    await expect(sha256OfFile(join(folder, 'large'), { signal: abort.signal })).rejects.toThrow('enough');
  });
});

describe('a file that is hashed while it is written', () => {
  it.each([['small', 5000] as const, ['large', large] as const])('is the content, and so is its hash: a %s one', async (name, length) => {
    const content = numbered(length);
    const path = join(folder, name);
    expect(await writeHashedFile(path, recycled(content))).toBe(sha256(content));
    expect(Buffer.compare(await readFile(path), content)).toBe(0);
  });

  it('leaves nothing when its making fails behind the point where a thread hashes it', async () => {
    async function* failing(): AsyncIterable<Uint8Array> {
      yield* recycled(numbered(large));
      throw new Error('no more');
    }
    await expect(writeHashedFile(join(folder, 'file'), failing())).rejects.toThrow('no more');
    expect(await readdir(folder)).toEqual([]);
  });
});
