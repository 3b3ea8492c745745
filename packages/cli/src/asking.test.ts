import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { float32Array, type HostArray, type ImageTokenizer, initialiseParameters, int32Array, keyFromSeed, type Picture, weightsFromArrays } from '@tesserae/core';
import { writeModelParts, writeSafetensorsFile } from '@tesserae/core/node';
import { createReferenceBackend } from '@tesserae/core/reference';
import { createImageTokenizer, type DvaeConfiguration, imageTokenizerParameters } from '@tesserae/dvae';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNumpy } from '../../core/src/__fixtures__/peers/npy.js';
import { peers } from './__fixtures__/conversion.js';
import { runCommand } from './__fixtures__/run-command.js';
import { readPicture } from './pictures.js';

// What a user of a converted LlamaGen folder does: convert, ask by a class or by features from a file, get what the peer made. The recordings
// have no image tokenizer of their own, so that any will do whose pictures tell one code from another.

const recorded = (name: string, what: string) => readNumpy(new URL(`../../transformer/src/__fixtures__/llamagen/${name}/${what}.npy`, import.meta.url));
function rowOf(name: string, what: string, row: number): number[] {
  const { shape, data } = recorded(name, what);
  const length = data.length / (shape[0] ?? 1);
  return Array.from(data.slice(row * length, (row + 1) * length));
}

/** One array as NumPy writes it. */
function npy(shape: readonly number[], values: readonly number[]): Buffer {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`.padEnd(117);
  const start = Buffer.alloc(10);
  start.write('\u0093NUMPY\u0001\u0000', 'latin1');
  start.writeUInt16LE(header.length + 1, 8);
  return Buffer.concat([start, Buffer.from(`${header}\n`, 'latin1'), Buffer.from(Float32Array.from(values).buffer)]);
}

const grid = { rows: 4, columns: 4 };
const models = { classes: { name: 'gpt-c2i', codebookSize: 48 }, features: { name: 'gpt-t2i-mask', codebookSize: 56 } } as const;
const [length, width] = [120, 24];

let folder = '';
const tokenizers = new Map<string, ImageTokenizer>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-asking-'));
  for (const [model, { name, codebookSize }] of Object.entries(models)) {
    const words = ['--set', 'heads=2,grid={"rows":4,"columns":4}', '--out', join(folder, model)];
    const { code, stderr } = await runCommand(['convert', join(peers, 'llamagen', name, 'model.pt'), ...words]);
    expect(code, stderr).toBe(0);
    const configuration: DvaeConfiguration = { kind: 'dvae', imageSize: 8, codebookSize, hidden: 4, groups: 2, blocksPerGroup: 1, decoderInput: 8 };
    const arrays = initialiseParameters(imageTokenizerParameters(configuration).values(), keyFromSeed(1));
    await writeModelParts(join(folder, model), { imageTokenizer: { folder: 'image-tokenizer', files: { 'config.json': configuration }, weights: { arrays, floats: 'float32' } } });
    tokenizers.set(model, createImageTokenizer({ configuration, weights: weightsFromArrays(arrays), backend: createReferenceBackend() }));
  }
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const generate = (model: keyof typeof models, words: readonly string[]) =>
  runCommand(['generate', '--model', join(folder, model), '--out', folder, '--temperature', '0', '--seed', '1', '--backend', 'reference', '--json', ...words]);

/** The picture that the command wrote, one pixel a pixel. */
async function pictureOf({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): Promise<Picture> {
  expect(stderr).toBe('');
  const [image] = (JSON.parse(stdout) as { readonly images: readonly { readonly file: string }[] }).images;
  const { width: large, data } = await readPicture(image?.file ?? '');
  const scale = large / 8;
  return {
    width: 8,
    height: 8,
    data: Uint8Array.from({ length: 192 }, (_, at) => data[(Math.floor(at / 24) * scale * large + (Math.floor(at / 3) % 8) * scale) * 3 + (at % 3)] ?? 0),
  };
}

/** The picture of some codes; checked to be that of no picture with one code changed. */
async function decoded(model: keyof typeof models, codes: readonly number[]): Promise<Picture> {
  const changed = codes.map((_, place) => codes.map((code, at) => (at === place ? (code + 1) % 48 : code)));
  const [own, ...others] =
    (await tokenizers.get(model)?.decode(
      [codes, ...changed].map((list) => Int32Array.from(list)),
      grid,
    )) ?? [];
  if (own === undefined) throw new Error('nothing was decoded');
  for (const other of others) expect(other.data).not.toEqual(own.data);
  return own;
}

describe("a converted transformer of LlamaGen, asked by the command, makes the peer's own greedy tokens", () => {
  it.each([0, 1])('by class, picture %i, with and without guidance', async (row) => {
    const [label = -1] = rowOf('gpt-c2i', 'cond', row);
    expect(await pictureOf(await generate('classes', ['--class', `${label}`]))).toEqual(await decoded('classes', rowOf('gpt-c2i', 'greedy_nocfg', row)));
    expect(await pictureOf(await generate('classes', ['--class', `${label}`, '--guidance', '3']))).toEqual(await decoded('classes', rowOf('gpt-c2i', 'greedy_cfg', row)));
  });

  it.each([0, 1])('by features, picture %i: the vectors that are looked at alone, or all and their mask with guidance', async (row) => {
    const [values, mask] = [rowOf('gpt-t2i-mask', 'cond', row), rowOf('gpt-t2i-mask', 'caption_mask', row)];
    const [whole, part] = [join(folder, `${row}.safetensors`), join(folder, `${row}.npy`)];
    const arrays: (readonly [string, HostArray])[] = [
      ['features', float32Array([1, length, width], Float32Array.from(values))],
      ['mask', int32Array([length], Int32Array.from(mask))],
    ];
    await writeSafetensorsFile(whole, new Map(arrays));
    const seen = mask.reduce((sum, value) => sum + value, 0);
    expect(seen).toBeGreaterThan(0);
    expect(mask.slice(length - seen)).toEqual(new Array(seen).fill(1));
    await writeFile(part, npy([seen, width], values.slice((length - seen) * width)));
    expect(await pictureOf(await generate('features', ['--features', part]))).toEqual(await decoded('features', rowOf('gpt-t2i-mask', 'greedy_nocfg', row)));
    expect(await pictureOf(await generate('features', ['--features', whole, '--guidance', '3']))).toEqual(await decoded('features', rowOf('gpt-t2i-mask', 'greedy_cfg', row)));
  });
});

describe('what a model cannot be asked', () => {
  const file = (name: string): string => join(folder, name);
  beforeAll(async () => {
    await writeFile(file('narrow.npy'), npy([3, 5], new Array<number>(15).fill(1)));
    await writeFile(file('long.npy'), npy([121, 24], new Array<number>(121 * 24).fill(1)));
    await writeFile(file('nan.npy'), npy([1, 24], [...new Array<number>(23).fill(1), Number.NaN]));
    await writeFile(file('torn.npy'), npy([2, 24], new Array<number>(30).fill(1)));
    await writeSafetensorsFile(file('unnamed.safetensors'), new Map([['other', float32Array([1, 24], new Float32Array(24))]]));
    const masked: (readonly [string, HostArray])[] = [
      ['features', float32Array([2, 24], new Float32Array(48))],
      ['mask', int32Array([3], [1, 1, 1])],
    ];
    await writeSafetensorsFile(file('mask.safetensors'), new Map(masked));
  }, 120_000);

  it.each<[string, keyof typeof models, readonly string[], number, string]>([
    ['nothing', 'classes', [], 2, 'Say what the picture should show'],
    ['a sentence of classes', 'classes', ['a goldfish'], 2, '--class N, from 0 to 6'],
    ['a class that there is not', 'classes', ['--class', '7'], 1, 'There is no class 7; this model knows 7'],
    ['no class', 'classes', ['--class', 'goldfish'], 2, '--class goldfish'],
    ['a class of features', 'features', ['--class', '1'], 2, '--features FILE with up to 120 vectors of 24 numbers'],
    ['to compare candidates by a sentence', 'classes', ['--class', '1', '--rerank'], 2, 'no text tokenizer'],
    ['features of another width', 'features', ['--features', 'narrow.npy'], 1, 'shape [3, 5]; this model reads 1 to 120 vectors of 24 numbers'],
    ['more features than it reads', 'features', ['--features', 'long.npy'], 1, 'shape [121, 24]'],
    ['features that are no numbers', 'features', ['--features', 'nan.npy'], 1, 'NaN at element 23'],
    ['a file that is cut short', 'features', ['--features', 'torn.npy'], 1, 'torn.npy'],
    ['a file without features', 'features', ['--features', 'unnamed.safetensors'], 1, "none called 'features'"],
    ['a mask of another length', 'features', ['--features', 'mask.safetensors'], 1, 'masks 3 of 2 vectors'],
    ['a file that is not there', 'features', ['--features', 'nowhere.npy'], 1, 'nowhere.npy'],
  ])('%s', async (_, model, words, code, problem) => {
    const asked = await generate(
      model,
      words.map((word) => (/\.(npy|safetensors)$/.test(word) ? file(word) : word)),
    );
    expect({ code: asked.code, named: asked.stderr.includes(problem) }, asked.stderr).toEqual({ code, named: true });
  });
});
