import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boolArray, float32Array, type HostArray, int32Array } from '../tensor/index.js';
import { parseModelIndex } from '../weights/index.js';
import { fileExists, openModelFolder, openSafetensorsFile, readJsonFile, readSafetensorsFile, writeModelParts, writeSafetensorsFile } from './index.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const arrays = new Map<string, HostArray>([
  ['weight', float32Array([2, 3], [1, 2, 3, 4, 5, 6])],
  ['index', int32Array([2], [7, -8])],
  ['mask', boolArray([3], [1, 0, 1])],
]);

describe('safetensors files', () => {
  it('are read back as they were written', async () => {
    const path = join(folder, 'w.safetensors');
    await writeSafetensorsFile(path, arrays, { step: '3' });
    expect(await readSafetensorsFile(path)).toEqual({ arrays: new Map([...arrays]), metadata: { step: '3' } });
  });

  it('tell where the bytes of a tensor lie, so that they can be mapped', async () => {
    const path = join(folder, 'w.safetensors');
    await writeSafetensorsFile(path, arrays);
    const source = await openSafetensorsFile(path);
    const bytes = await readFile(path);
    for (const [name, { data }] of arrays) {
      const place = source.location?.(name);
      expect(place).toMatchObject({ path, byteLength: data.byteLength });
      const there = bytes.subarray(place?.byteOffset, (place?.byteOffset ?? 0) + (place?.byteLength ?? 0));
      expect([...there]).toEqual([...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
    }
  });

  it('but not for tensors that must be converted first', async () => {
    const path = join(folder, 'half.safetensors');
    const json = new TextEncoder().encode(JSON.stringify({ w: { dtype: 'F16', shape: [1], data_offsets: [0, 2] } }));
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
    await writeFile(path, Buffer.concat([length, json, Uint8Array.of(0, 0x3c)]));
    const source = await openSafetensorsFile(path);
    expect(source.location?.('w')).toBeUndefined();
    expect(await source.read('w')).toEqual(float32Array([1], [1]));
  });

  it('that were cut are found when they are opened, or when they are read', async () => {
    const path = join(folder, 'w.safetensors');
    await writeSafetensorsFile(path, arrays);
    const { length } = await readFile(path);
    const source = await openSafetensorsFile(path);
    await truncate(path, length - 20);
    await expect(openSafetensorsFile(path)).rejects.toMatchObject({ code: 'file-corrupt', message: expect.stringContaining(path) });
    await expect(source.read('mask')).rejects.toMatchObject({ code: 'file-corrupt', message: expect.stringMatching(/bytes early/) });
    await truncate(path, 3);
    await expect(openSafetensorsFile(path)).rejects.toMatchObject({ code: 'file-corrupt' });
    await truncate(path, 0);
    await expect(openSafetensorsFile(path)).rejects.toMatchObject({ code: 'file-corrupt' });
  });

  it('that are not there, or are folders, say so', async () => {
    await expect(openSafetensorsFile(join(folder, 'absent'))).rejects.toMatchObject({ code: 'file-missing', message: expect.stringContaining('does not exist') });
    await expect(openSafetensorsFile(folder)).rejects.toMatchObject({ code: 'file-missing', message: expect.stringContaining('cannot be read') });
    await expect(readJsonFile(folder)).rejects.toMatchObject({ code: 'file-missing' });
    expect([await fileExists(folder), await fileExists(join(folder, 'absent'))]).toEqual([false, false]);
  });
});

describe('model folders', () => {
  const part = { folder: 'dvae', files: { 'config.json': { width: 8 } }, weights: { arrays } };
  const weightsFile = (): string => join(folder, 'dvae', 'model.safetensors');

  it('are opened part by part, every file checked by its hash', async () => {
    await writeModelParts(folder, { imageTokenizer: part }, { data: 'scenes' });
    const model = await openModelFolder(folder);
    expect(model.index.provenance).toEqual({ data: 'scenes' });
    expect(await model.readJson('imageTokenizer', 'config.json')).toEqual({ width: 8 });
    expect(await (await model.openWeights('imageTokenizer')).read('weight')).toEqual(arrays.get('weight'));
  });

  it('keep the parts that are not written again', async () => {
    await writeModelParts(folder, { imageTokenizer: part });
    await writeModelParts(folder, { prior: { folder: 'prior', files: { 'config.json': 1 } } });
    const model = await openModelFolder(folder);
    expect(Object.keys(model.index.parts)).toEqual(['imageTokenizer', 'prior']);
    expect(await model.readJson('imageTokenizer', 'config.json')).toEqual({ width: 8 });
  });

  it('notice one changed bit in the weights, unless asked not to look', async () => {
    await writeModelParts(folder, { imageTokenizer: part });
    const bytes = await readFile(weightsFile());
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
    await writeFile(weightsFile(), bytes);
    const opening = (await openModelFolder(folder)).openWeights('imageTokenizer');
    await expect(opening).rejects.toMatchObject({ code: 'file-corrupt', message: expect.stringMatching(/model\.safetensors.*hash differs/) });
    await expect((await openModelFolder(folder, { verify: false })).openWeights('imageTokenizer')).resolves.toBeDefined();
  });

  it('notice a changed configuration, and a file that is gone', async () => {
    await writeModelParts(folder, { imageTokenizer: part });
    const model = await openModelFolder(folder);
    await writeFile(join(folder, 'dvae', 'config.json'), '{"width":9}');
    await expect(model.readJson('imageTokenizer', 'config.json')).rejects.toMatchObject({ code: 'file-corrupt' });
    await rm(weightsFile());
    await expect(model.openWeights('imageTokenizer')).rejects.toMatchObject({ code: 'file-missing', message: expect.stringContaining('model.safetensors') });
  });

  it('name the part that is missing, and what a folder without an index is', async () => {
    await writeModelParts(folder, { imageTokenizer: part });
    await expect((await openModelFolder(folder)).openWeights('prior')).rejects.toMatchObject({
      code: 'model-incompatible',
      message: expect.stringContaining("no part 'prior', only imageTokenizer"),
    });
    await mkdir(join(folder, 'empty'));
    await expect(openModelFolder(join(folder, 'empty'))).rejects.toMatchObject({ code: 'file-missing', message: expect.stringContaining('is no model folder') });
    await writeFile(join(folder, 'model_index.json'), '{');
    await expect(openModelFolder(folder)).rejects.toMatchObject({ code: 'file-corrupt', message: expect.stringContaining('is not JSON') });
  });
});

describe('a model index', () => {
  const index = (parts: unknown): unknown => ({ formatVersion: 1, parts });

  it('cannot point out of its model', () => {
    for (const climbing of ['..', '../other', '/etc', 'a/b', 'a\\b', '', '.', 'C:', 'a\n']) {
      expect(() => parseModelIndex(index({ prior: { folder: climbing } }), 'model_index.json'), climbing).toThrow(/model_index\.json: part 'prior' names no folder/);
    }
  });

  it('is refused when it is not one', () => {
    for (const wrong of [null, [], {}, { formatVersion: 2, parts: {} }, index({ prior: 'prior' }), index({ prior: { folder: 'prior', sha256: { 'config.json': 1 } } })]) {
      expect(() => parseModelIndex(wrong, 'model_index.json')).toThrow(expect.objectContaining({ code: 'file-corrupt' }));
    }
  });

  it('needs no hashes', () => {
    expect(parseModelIndex(index({ prior: { folder: 'prior' } }), 'model_index.json')).toEqual({ formatVersion: 1, parts: { prior: { folder: 'prior', sha256: {} } } });
  });
});
