import { access, appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ImageTokenizer, int32Array } from '@tesserae/core';
import { writeSafetensorsFile } from '@tesserae/core/node';
import { openFolder } from '@tesserae/datasets/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeStripes } from '../__fixtures__/stripes.js';
import { createOutput } from '../terminal/output.js';
import { readCodedPictures, tokenizeFolder } from './coded-pictures.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-codes-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const nowhere = { write: () => undefined };
const output = createOutput({ stdout: nowhere, stderr: nowhere, now: () => 0 }, { json: true, quiet: true });

/** A code is the red of the pixel at its place, in sixteen steps. */
function redTokenizer(onBatch: () => void = () => undefined): ImageTokenizer {
  return {
    specificationVersion: 'v1',
    codebookSize: 16,
    downsampling: 4,
    grid: { rows: 4, columns: 4 },
    async encode(pictures) {
      onBatch();
      return pictures.map(({ width, data }) => Int32Array.from({ length: 16 }, (_, index) => (data[(Math.floor(index / 4) * 4 * width + (index % 4) * 4) * 3] ?? 0) >> 4));
    },
    decode: () => Promise.reject(new Error('not asked for')),
    dispose: () => undefined,
  };
}

describe('tokenizeFolder', () => {
  it('goes on where it was interrupted, to the very same file', async () => {
    const pictures = join(folder, 'pictures');
    await writeStripes(pictures, 70);
    await writeFile(join(pictures, 'picture 69.png'), 'torn');
    const listing = await openFolder(pictures);
    const options = { folder: listing, encoder: 'abc', size: { width: 16, height: 16 }, output, signal: new AbortController().signal };

    const [whole, resumed] = [join(folder, 'whole.safetensors'), join(folder, 'resumed.safetensors')];
    expect(await tokenizeFolder({ ...options, tokenizer: redTokenizer(), out: whole })).toMatchObject({ pictures: 69, kept: 0, skipped: [{ file: 'picture 69.png' }] });

    const abort = new AbortController();
    const interrupted = redTokenizer(() => abort.abort(new DOMException('Interrupted.', 'AbortError')));
    await expect(tokenizeFolder({ ...options, tokenizer: interrupted, out: resumed, signal: abort.signal })).rejects.toThrow('Interrupted.');
    // A crash in the middle of a line.
    await appendFile(`${resumed}.partial`, '{"done":32,"captions":[["torn');
    let batches = 0;
    const counting = redTokenizer(() => {
      batches += 1;
    });
    expect(await tokenizeFolder({ ...options, tokenizer: counting, out: resumed })).toMatchObject({ pictures: 69, kept: 32 });
    expect(batches).toBe(2);
    expect((await readFile(resumed)).equals(await readFile(whole))).toBe(true);
    await expect(access(`${resumed}.partial`)).rejects.toThrow();

    const read = await readCodedPictures(whole);
    expect(read).toMatchObject({ grid: { rows: 4, columns: 4 }, codebookSize: 16, encoder: 'abc' });
    expect(read.pictures[0]?.captions).toEqual(['red stripes, upright']);
    expect(read.pictures.every(({ codes }) => codes.length === 16)).toBe(true);
  });

  it('begins anew when the tokenizer is another', async () => {
    await writeStripes(join(folder, 'pictures'), 40);
    const options = { folder: await openFolder(join(folder, 'pictures')), size: { width: 16, height: 16 }, output, out: join(folder, 'codes.safetensors') };
    const abort = new AbortController();
    const interrupted = redTokenizer(() => abort.abort(new Error('stopped')));
    await expect(tokenizeFolder({ ...options, tokenizer: interrupted, encoder: 'one', signal: abort.signal })).rejects.toThrow('stopped');
    expect(await tokenizeFolder({ ...options, tokenizer: redTokenizer(), encoder: 'two', signal: new AbortController().signal })).toMatchObject({ pictures: 40, kept: 0 });
  });
});

describe('readCodedPictures', () => {
  const codes = int32Array([1, 1, 2], [3, 1]);
  it.each<[string, ReturnType<typeof int32Array> | undefined, Record<string, string>, string]>([
    ['no codes', undefined, { codebookSize: '4', captions: '[["a"]]' }, 'holds no codes'],
    ['no codebook', codes, { captions: '[["a"]]' }, 'size of its codebook'],
    ['a code outside the codebook', codes, { codebookSize: '3', captions: '[["a"]]' }, 'the code 3'],
    ['captions of other pictures', codes, { codebookSize: '4', captions: '[]' }, 'captions of its 1 pictures'],
    ['captions that are no text', codes, { codebookSize: '4', captions: '[[7]]' }, 'captions of its 1 pictures'],
    ['captions that are no JSON', codes, { codebookSize: '4', captions: '[[' }, 'captions of its 1 pictures'],
  ])('refuses a file with %s', async (_, array, metadata, problem) => {
    const file = join(folder, 'codes.safetensors');
    await writeSafetensorsFile(file, new Map(array === undefined ? [['other', codes]] : [['codes', array]]), metadata);
    await expect(readCodedPictures(file)).rejects.toMatchObject({ code: 'file-corrupt', message: expect.stringContaining(problem) });
  });
});
