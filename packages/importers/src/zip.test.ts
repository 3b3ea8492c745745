import { describe, expect, it } from 'vitest';
import { ascii, joinBytes, type WrittenEntry, writeZip } from './__fixtures__/writers.js';
import { bytesSource } from './byte-source.js';
import { openZip } from './zip.js';

const open = (bytes: Uint8Array) => openZip(bytesSource(bytes, 'archive.zip'));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function readEntry(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  const entry = (await open(bytes)).get(name);
  return entry === undefined ? new Uint8Array(0) : entry.read(0, entry.size);
}

const hello: WrittenEntry = { name: 'a/hello', content: ascii('hello, hello, hello, hello') };

describe('a zip archive', () => {
  it('gives stored and deflated entries, whole and in parts', async () => {
    for (const deflate of [false, true]) {
      for (const zip64 of [false, true]) {
        const bytes = writeZip(
          [
            { ...hello, deflate },
            { name: 'empty', content: new Uint8Array(0), deflate },
          ],
          { zip64 },
        );
        const entries = await open(bytes);
        expect([...entries.keys()]).toEqual(['a/hello', 'empty']);
        const entry = entries.get('a/hello');
        expect(text((await entry?.read(7, 5)) ?? new Uint8Array(0))).toBe('hello');
        expect(text((await entry?.readStart(5)) ?? new Uint8Array(0))).toBe('hello');
        expect(text(await readEntry(bytes, 'a/hello'))).toBe('hello, hello, hello, hello');
        expect((await readEntry(bytes, 'empty')).length).toBe(0);
        await expect(entry?.read(20, 10)).rejects.toThrow('only 26');
      }
    }
  });

  it('checks the checksum, also when only a part is read; zero means that none was written', async () => {
    for (const deflate of [false, true]) {
      const wrong = (await open(writeZip([{ ...hello, deflate, crc: 1 }]))).get('a/hello');
      await expect(wrong?.read(0, 26)).rejects.toThrow("entry 'a/hello' is damaged: its crc");
      await expect(wrong?.read(3, 2)).rejects.toThrow("entry 'a/hello' is damaged: its crc");
      expect(text(await readEntry(writeZip([{ ...hello, deflate, crc: 0 }]), 'a/hello'))).toBe(text(hello.content));
    }
  });

  it('gives large entries piece by piece, and finds damage behind the last piece at the latest', async () => {
    const content = Uint8Array.from({ length: 2_500_000 }, (_, index) => (index * 7919) >> 8);
    const piecesOf = async (pieces: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array[]> => {
      const copies: Uint8Array[] = [];
      for await (const piece of pieces ?? []) copies.push(new Uint8Array(piece));
      return copies;
    };
    for (const deflate of [false, true]) {
      const bytes = writeZip([{ name: 'large', content, deflate }]);
      // Memory that is used again, as a file's; and views, as of bytes in memory.
      const source = bytesSource(bytes, 'archive.zip');
      for (const readInto of [undefined, async (offset: number, target: Uint8Array) => target.set(bytes.subarray(offset, offset + target.length))]) {
        const entry = (await openZip(readInto === undefined ? source : { ...source, readInto })).get('large');
        const pieces = await piecesOf(entry?.stream(0, content.length));
        expect(pieces.map(({ length }) => length)).toEqual(deflate ? [2_500_000] : [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]);
        expect(Buffer.compare(joinBytes(pieces), content)).toBe(0);
        expect(Buffer.compare(joinBytes(await piecesOf(entry?.stream(5, 2_000_000))), content.subarray(5, 2_000_005))).toBe(0);
      }
      const wrong = (await open(writeZip([{ name: 'large', content, deflate, crc: 1 }]))).get('large');
      await expect(piecesOf(wrong?.stream(0, content.length))).rejects.toThrow("entry 'large' is damaged: its crc");
      await expect(piecesOf(wrong?.stream(5, 10))).rejects.toThrow("entry 'large' is damaged: its crc");
    }
  });

  it('refuses doubled names, entries that climb out, and overlaps', async () => {
    await expect(open(writeZip([hello, hello]))).rejects.toThrow("two entries named 'a/hello'");
    for (const name of ['../x', 'a/../../x', '/etc/x', 'C:\\x', 'a\\..\\x']) await expect(open(writeZip([{ ...hello, name }]))).rejects.toMatchObject({ code: 'file-unsafe' });
    // The second entry's header offset points into the first: both share bytes.
    const bytes = writeZip([hello, { ...hello, name: 'a/other' }]);
    const view = new DataView(bytes.buffer);
    const second = text(bytes).lastIndexOf('PK\u0001\u0002');
    view.setUint32(second + 42, 4, true);
    await expect(open(bytes)).rejects.toThrow(/overlaps|claims the size/);
  });

  it('refuses sizes that only the directory believes', async () => {
    await expect(open(writeZip([{ ...hello, size: 2_000_000_000 }]))).rejects.toThrow('size');
    await expect(open(writeZip([{ ...hello, size: 5_000_000_000_000 }], { zip64: true }))).rejects.toThrow('size');
    // A deflated entry that inflates to less, or to more, than it says.
    for (const size of [20, 30]) await expect(readEntry(writeZip([{ ...hello, deflate: true, size }]), 'a/hello')).rejects.toMatchObject({ code: 'file-corrupt' });
    const bomb = { name: 'bomb', content: new Uint8Array(40 << 20), deflate: true };
    await expect(open(writeZip([bomb]))).rejects.toMatchObject({ code: 'file-unsafe', message: expect.stringContaining("entry 'bomb'") });
  });

  it('refuses a header that says something else than the directory', async () => {
    const bytes = writeZip([hello]);
    const other = new Uint8Array(bytes);
    other.set(ascii('a/jello'), 30);
    await expect(readEntry(other, 'a/hello')).rejects.toThrow('another name');
    const crc = new Uint8Array(bytes);
    crc[14] = 0;
    await expect(readEntry(crc, 'a/hello')).rejects.toThrow('another size or crc');
  });

  it('refuses what is cut short, at every length', async () => {
    const bytes = writeZip([hello, { name: 'b', content: ascii('b') }], { zip64: true });
    for (let length = 0; length < bytes.length; length += 1) await expect(open(bytes.subarray(0, length)), String(length)).rejects.toMatchObject({ code: 'file-corrupt' });
    await expect(open(joinBytes([bytes, ascii('more')]))).rejects.toThrow('central directory');
  });

  it('stops when it is told to', async () => {
    const entry = (await open(writeZip([hello]))).get('a/hello');
    await expect(entry?.read(0, 26, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});
