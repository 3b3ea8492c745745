import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadImages, openFolder } from './folder.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Fill {
  readonly width?: number;
  readonly height?: number;
  readonly background: { readonly r: number; readonly g: number; readonly b: number; readonly alpha?: number };
}

function filled({ width = 8, height = 8, background }: Fill): sharp.Sharp {
  return sharp({ create: { width, height, channels: background.alpha === undefined ? 3 : 4, background } });
}

async function writePicture(name: string, background: Fill['background'] = { r: 200, g: 100, b: 50 }): Promise<void> {
  await filled({ background }).toFile(join(folder, name));
}

describe('openFolder', () => {
  it('lists PNG, JPEG and WebP in alphabetical order, and nothing else', async () => {
    for (const name of ['b.jpg', 'a.PNG', 'd.webp', 'c.jpeg']) await writeFile(join(folder, name), '');
    for (const name of ['notes.md', 'e.gif', 'f.png.tmp']) await writeFile(join(folder, name), '');
    const { examples, skipped } = await openFolder(folder);
    expect(examples.map(({ file }) => file)).toEqual(['a.PNG', 'b.jpg', 'c.jpeg', 'd.webp']);
    expect(examples.every(({ captions }) => captions.length === 0)).toBe(true);
    expect(skipped).toEqual([]);
  });

  it('reads captions from text files, one a line', async () => {
    for (const name of ['one.png', 'two.png', 'none.png']) await writeFile(join(folder, name), '');
    await writeFile(join(folder, 'one.txt'), 'a red star\n');
    await writeFile(join(folder, 'two.txt'), 'a blue ring\r\n\n  the ring, blue  \n');
    const { examples } = await openFolder(folder);
    expect(examples).toEqual([
      { file: 'none.png', captions: [] },
      { file: 'one.png', captions: ['a red star'] },
      { file: 'two.png', captions: ['a blue ring', 'the ring, blue'] },
    ]);
  });

  it('reads captions.jsonl, joins it with text files, and counts the lines that are wrong', async () => {
    for (const name of ['a.png', 'b.png']) await writeFile(join(folder, name), '');
    await writeFile(join(folder, 'b.txt'), 'from the text file');
    await writeFile(
      join(folder, 'captions.jsonl'),
      [
        '{"file":"a.png","caption":"one"}',
        '',
        '{"file":"a.png","captions":["two","three",4,""]}',
        '{"file":"b.png","caption":"from the table"}',
        'not json',
        '{"caption":"of nothing"}',
        '{"file":"a.png"}',
        'null',
        '{"file":"gone.png","caption":"lost"}',
      ].join('\n'),
    );
    const { examples, skipped } = await openFolder(folder);
    expect(examples).toEqual([
      { file: 'a.png', captions: ['one', 'two', 'three'] },
      { file: 'b.png', captions: ['from the text file', 'from the table'] },
    ]);
    expect(skipped.map(({ file }) => file)).toEqual(['captions.jsonl:5', 'captions.jsonl:6', 'captions.jsonl:7', 'captions.jsonl:8', 'gone.png']);
  });

  it('says that a folder is missing', async () => {
    await expect(openFolder(join(folder, 'missing'))).rejects.toMatchObject({ code: 'file-missing' });
    await writeFile(join(folder, 'file'), '');
    await expect(openFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'file-missing' });
  });

  it('says that there are no pictures', async () => {
    await writeFile(join(folder, 'captions.jsonl'), '{"file":"a.png","caption":"one"}');
    await expect(openFolder(folder)).rejects.toMatchObject({ code: 'dataset-empty' });
  });

  it('stops when it is told to', async () => {
    await writeFile(join(folder, 'a.png'), '');
    await expect(openFolder(folder, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('loadImages', () => {
  it('decodes PNG, JPEG and WebP to RGB bytes', async () => {
    for (const name of ['a.png', 'b.jpg', 'c.webp']) await writePicture(name);
    const { pixels, examples, skipped } = await loadImages(await openFolder(folder), { size: 4 });
    expect(examples.length).toBe(3);
    expect(skipped).toEqual([]);
    for (const data of pixels) {
      expect(data.length).toBe(4 * 4 * 3);
      data.forEach((value, index) => expect(Math.abs(value - ([200, 100, 50][index % 3] ?? 0))).toBeLessThanOrEqual(6));
    }
  });

  it('turns grey pictures into RGB and lays transparent ones on white', async () => {
    await filled({ background: { r: 90, g: 90, b: 90 } })
      .toColourspace('b-w')
      .png()
      .toFile(join(folder, 'grey.png'));
    await writePicture('half.png', { r: 0, g: 0, b: 200, alpha: 0.5 });
    await writePicture('nothing.png', { r: 200, g: 0, b: 0, alpha: 0 });
    expect((await sharp(join(folder, 'grey.png')).metadata()).channels).toBe(1);
    const { pixels } = await loadImages(await openFolder(folder), { size: 2 });
    const first = pixels.map((data) => [...data.subarray(0, 3)]);
    expect(pixels.map(({ length }) => length)).toEqual([12, 12, 12]);
    expect(first[0]).toEqual([90, 90, 90]);
    const wanted = [127, 127, 227];
    first[1]?.forEach((value, channel) => expect(Math.abs(value - (wanted[channel] ?? 0))).toBeLessThanOrEqual(2));
    expect(first[2]).toEqual([255, 255, 255]);
  });

  it('cuts the middle out of a wide picture', async () => {
    const data = new Uint8Array(12 * 4 * 3).map((_, index) => (Math.floor(index / 3) % 12 >= 4 && Math.floor(index / 3) % 12 < 8 ? 250 : 0));
    await sharp(data, { raw: { width: 12, height: 4, channels: 3 } })
      .png()
      .toFile(join(folder, 'wide.png'));
    const { pixels } = await loadImages(await openFolder(folder), { size: 4 });
    expect([...(pixels[0] ?? [])]).toEqual(new Array(48).fill(250));
  });

  it('skips and counts what is no picture, and tells how far it is', async () => {
    await writePicture('a.png');
    await writeFile(join(folder, 'b.png'), 'this is no picture');
    await writePicture('c.png');
    await mkdir(join(folder, 'd.png'));
    const progress: number[] = [];
    const loaded = await loadImages(await openFolder(folder), { size: 4, onProgress: ({ done }) => progress.push(done) });
    expect(loaded.examples.map(({ file }) => file)).toEqual(['a.png', 'c.png']);
    expect(loaded.pixels.length).toBe(2);
    expect(loaded.skipped.map(({ file }) => file)).toEqual(['b.png', 'd.png']);
    expect(loaded.skipped.every(({ reason }) => reason !== '')).toBe(true);
    expect(progress).toEqual([1, 2, 3, 4]);
  });

  it('says that none can be read', async () => {
    await writeFile(join(folder, 'a.png'), 'no picture');
    const opened = await openFolder(folder);
    await expect(loadImages(opened, { size: 4 })).rejects.toMatchObject({ code: 'dataset-empty', details: { skipped: [{ file: 'a.png' }] } });
  });

  it('stops when it is told to', async () => {
    await writePicture('a.png');
    const opened = await openFolder(folder);
    await expect(loadImages(opened, { size: 4, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});
