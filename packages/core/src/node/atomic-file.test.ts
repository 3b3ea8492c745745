import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OpenFile, writeFileAtomically } from './index.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const systemError = (code: string): Error => Object.assign(new Error(`${code}: it failed`), { code });

/** A real file of which one part fails. */
const failing =
  (part: 'writev' | 'sync' | 'close', error: Error): OpenFile =>
  async (path) => {
    const handle = await open(path, 'w');
    return {
      writev: async (pieces) => {
        if (part !== 'writev') return handle.writev(pieces);
        // The disk fills up in the middle.
        await handle.write(Uint8Array.of(1));
        throw error;
      },
      sync: () => (part === 'sync' ? Promise.reject(error) : handle.sync()),
      close: async () => {
        await handle.close();
        if (part === 'close') throw error;
      },
    };
  };

describe('writeFileAtomically', () => {
  it('writes text, bytes and pieces, making folders on the way, and leaves nothing else', async () => {
    const path = join(folder, 'a', 'b', 'file');
    await writeFileAtomically(path, 'grün');
    expect(await readFile(path, 'utf8')).toBe('grün');
    await writeFileAtomically(path, Uint8Array.of(1, 2, 3));
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    await writeFileAtomically(path, [Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)], undefined, { flush: false });
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    expect(await readdir(join(folder, 'a', 'b'))).toEqual(['file']);
  });

  it('goes on after a short write', async () => {
    const path = join(folder, 'file');
    await writeFileAtomically(path, Uint8Array.of(1, 2, 3, 4, 5), async (target) => {
      const handle = await open(target, 'w');
      return {
        writev: async (pieces) => {
          const { bytesWritten } = await handle.write((pieces[0] as Uint8Array).subarray(0, 2));
          return { bytesWritten, buffers: pieces };
        },
        sync: () => handle.sync(),
        close: () => handle.close(),
      };
    });
    expect([...(await readFile(path))]).toEqual([1, 2, 3, 4, 5]);
  });

  const failures: readonly (readonly [string, OpenFile, RegExp])[] = [
    ['a full disk', failing('writev', systemError('ENOSPC')), /The disk is full: free some space/],
    ['a failing flush', failing('sync', systemError('EIO')), /what was there before is untouched/],
    ['a failing close', failing('close', systemError('EIO')), /what was there before is untouched/],
    ['a read-only place', () => Promise.reject(systemError('EROFS')), /choose another folder/],
  ];
  for (const [what, openFile, remedy] of failures) {
    it(`leaves the old file, and no temporary one, after ${what}`, async () => {
      const path = join(folder, 'file');
      await writeFileAtomically(path, 'old');
      const error: unknown = await writeFileAtomically(path, 'new', openFile).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'file-write-failed', message: expect.stringContaining(path), remedy: expect.stringMatching(remedy) });
      expect(error).toHaveProperty('cause.code');
      expect(await readFile(path, 'utf8')).toBe('old');
      expect(await readdir(folder)).toEqual(['file']);
    });
  }

  it('flushes large files while it writes them, and what fails there fails the file', async () => {
    const path = join(folder, 'large');
    const events: string[] = [];
    const piece = new Uint8Array(50 << 20);
    const openFile =
      (failure?: Error): OpenFile =>
      async (target) => {
        const handle = await open(target, 'w');
        return {
          writev: async (pieces) => {
            events.push('write');
            return { bytesWritten: pieces.reduce((sum, { byteLength }) => sum + byteLength, 0), buffers: pieces };
          },
          sync: async () => {
            events.push('flush');
            if (failure !== undefined) throw failure;
          },
          close: () => handle.close(),
        };
      };
    await writeFileAtomically(path, [piece, piece, piece, piece], openFile());
    expect(events).toEqual(['write', 'write', 'write', 'flush', 'write', 'flush']);
    const failed = writeFileAtomically(path, [piece, piece, piece, piece], openFile(systemError('EIO')));
    await expect(failed).rejects.toMatchObject({ code: 'file-write-failed' });
    expect(await readdir(folder)).toEqual(['large']);
  });

  it('does not make a file where there was none when it fails', async () => {
    await expect(writeFileAtomically(join(folder, 'file'), 'new', failing('sync', systemError('EIO')))).rejects.toMatchObject({ code: 'file-write-failed' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps two writers of one file apart: the file is whole, and that of one of them', async () => {
    const path = join(folder, 'file');
    const contents = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(100_000));
    await Promise.all(contents.map((content) => writeFileAtomically(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['file']);
  });
});
