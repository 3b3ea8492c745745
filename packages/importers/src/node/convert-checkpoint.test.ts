import { createHash } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deriveKey, encodeSafetensors, float32Array, type HostArray, isTesseraeError, keyFromSeed, normalArray, sizeOf, TesseraeError } from '@tesserae/core';
import { openModelFolder, readSafetensorsFile, writeSafetensorsFile } from '@tesserae/core/node';
import { type DvaeConfiguration, type ImageTokenizerConfiguration, imageTokenizerParameters, type StridedDvaeConfiguration, type VqganConfiguration } from '@tesserae/dvae';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dallePytorchVaeNames } from '../families/dalle-pytorch-vae.js';
import type { WeightName } from '../families/family.js';
import { openaiDvaeNames } from '../families/openai-dvae.js';
import { tamingVqganNames } from '../families/taming-vqgan.js';
import { vqganJaxNames } from '../families/vqgan-jax.js';
import { type ConvertOptions, convertCheckpoint } from './convert-checkpoint.js';

const strided: StridedDvaeConfiguration = { kind: 'strided-dvae', imageSize: 16, channels: 3, codebookSize: 8, codeWidth: 4, layers: 2, residualBlocks: 1, hidden: 4 };
const dvae: DvaeConfiguration = { kind: 'dvae', imageSize: 256, codebookSize: 16, hidden: 8, groups: 2, blocksPerGroup: 1, decoderInput: 8 };
const vqgan: VqganConfiguration = {
  kind: 'vqgan',
  imageSize: 256,
  codebookSize: 16,
  codeWidth: 4,
  latentChannels: 8,
  hidden: 32,
  multipliers: [1, 1],
  blocksPerLevel: 1,
  attentionLevels: [1],
  quantizer: 'nearest',
};

/** A model's weights under a peer's names. */
function peerWeights(configuration: ImageTokenizerConfiguration, names: Iterable<WeightName>, prefix = ''): Map<string, HostArray> {
  const expected = imageTokenizerParameters(configuration);
  return new Map(
    Array.from(names).flatMap(({ peer, path }) => {
      const shape = expected.get(path)?.shape;
      return shape === undefined ? [] : [[prefix + peer, float32Array(shape, normalArray(deriveKey(keyFromSeed(1), path), sizeOf(shape)))] as const];
    }),
  );
}
const stridedWeights = () => peerWeights(strided, dallePytorchVaeNames(strided));

/** DALLE-pytorch's transformer of one layer of one head, 5 text ids, 2 text positions and 16 codes on a grid of 128². */
function dallePytorchTransformer(): Map<string, HostArray> {
  const [attention, feedForward] = ['transformer.layers.layers.0.0', 'transformer.layers.layers.0.1'];
  const shapes: Readonly<Record<string, readonly number[]>> = {
    'text_emb.weight': [7, 64],
    'image_emb.weight': [16, 64],
    'text_pos_emb.weight': [3, 64],
    'image_pos_emb.weights_0': [1, 128, 1, 64],
    'image_pos_emb.weights_1': [1, 1, 128, 64],
    [`${attention}.scale`]: [1, 1, 64],
    [`${attention}.fn.norm.weight`]: [64],
    [`${attention}.fn.norm.bias`]: [64],
    [`${attention}.fn.fn.fn.fn.fn.to_qkv.weight`]: [192, 64],
    [`${attention}.fn.fn.fn.fn.fn.to_out.0.weight`]: [64, 64],
    [`${attention}.fn.fn.fn.fn.fn.to_out.0.bias`]: [64],
    [`${feedForward}.scale`]: [1, 1, 64],
    [`${feedForward}.fn.norm.weight`]: [64],
    [`${feedForward}.fn.norm.bias`]: [64],
    [`${feedForward}.fn.fn.fn.fn.net.0.weight`]: [512, 64],
    [`${feedForward}.fn.fn.fn.fn.net.0.bias`]: [512],
    [`${feedForward}.fn.fn.fn.fn.net.3.weight`]: [64, 256],
    [`${feedForward}.fn.fn.fn.fn.net.3.bias`]: [64],
    'to_logits.0.weight': [64],
    'to_logits.0.bias': [64],
    'to_logits.1.weight': [23, 64],
    'to_logits.1.bias': [23],
    logits_mask: [1, 2, 2],
  };
  return new Map(Object.entries(shapes).map(([name, shape]) => [name, float32Array(shape, normalArray(deriveKey(keyFromSeed(2), name), sizeOf(shape)))] as const));
}
const imageSize = { settings: { imageSize: 16 } };

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-convert-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);
const out = () => at('model');
const convert = (names: readonly string[], options: Partial<ConvertOptions> = {}) => convertCheckpoint(names.map(at), { out: out(), ...options });

async function failure(promise: Promise<unknown>): Promise<TesseraeError> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  return isTesseraeError(error) ? error : new TesseraeError('invalid-argument', `it was no such error: ${String(error)}`, { remedy: '' });
}

describe('a conversion', () => {
  it('writes a model folder with every weight in its place, and says where it comes from', async () => {
    const weights = stridedWeights();
    await writeSafetensorsFile(at('vae.safetensors'), weights);
    const progress: number[] = [];
    const report = await convert(['vae.safetensors'], { ...imageSize, onProgress: ({ done, total }) => progress.push(done / total) });
    expect(report.parts).toMatchObject([{ part: 'imageTokenizer', family: 'dalle-pytorch-vae', configuration: strided, tensorsUsed: weights.size, ignored: [], dtype: 'float32' }]);
    expect(progress).toHaveLength(weights.size);
    expect(progress.at(-1)).toBe(1);

    const model = await openModelFolder(out());
    expect(await model.readJson('imageTokenizer', 'config.json')).toEqual(strided);
    const { arrays } = await readSafetensorsFile(join(out(), 'image-tokenizer/model.safetensors'));
    for (const { peer, path } of dallePytorchVaeNames(strided)) expect(arrays.get(path), path).toEqual(weights.get(peer));
    expect(arrays.size).toBe(weights.size);

    const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    const source = sha256(await readFile(at('vae.safetensors')));
    expect(report.sources).toMatchObject([{ file: 'vae.safetensors', sha256: source }]);
    expect(model.index.provenance).toMatchObject({ convertedFrom: 'dalle-pytorch-vae', 'sha256 of vae.safetensors': source });
    const made = sha256(await readFile(join(out(), 'image-tokenizer/model.safetensors')));
    expect([report.parts[0]?.sha256, model.index.parts.imageTokenizer?.sha256['model.safetensors']]).toEqual([made, made]);
    expect(await readdir(folder)).toEqual(['model', 'vae.safetensors']);
  });

  it('casts to half precision when asked, and keeps it when the file has it', async () => {
    await writeSafetensorsFile(at('vae.safetensors'), stridedWeights());
    const [cast] = (await convert(['vae.safetensors'], { ...imageSize, floats: 'float16' })).parts;
    expect(cast).toMatchObject({ dtype: 'float16' });
    // Back under the peer's names: the file of half precision is the source now.
    const { arrays } = await readSafetensorsFile(join(out(), 'image-tokenizer/model.safetensors'));
    const names = new Map(Array.from(dallePytorchVaeNames(strided), ({ peer, path }) => [path, peer] as const));
    const half = new Map(Array.from(arrays, ([path, array]) => [names.get(path) ?? path, array] as const));
    await writeFile(at('half.safetensors'), Buffer.concat(encodeSafetensors(half, {}, { floats: 'float16' })));
    const [kept] = (await convert(['half.safetensors'], { ...imageSize, out: at('kept') })).parts;
    expect(kept).toMatchObject({ dtype: 'float16', bytes: cast?.bytes });
    expect((await readSafetensorsFile(at('kept/image-tokenizer/model.safetensors'))).arrays).toEqual(arrays);
    const [widened] = (await convert(['half.safetensors'], { ...imageSize, out: at('wide'), floats: 'float32' })).parts;
    expect(widened).toMatchObject({ dtype: 'float32' });
    expect((await readSafetensorsFile(at('wide/image-tokenizer/model.safetensors'))).arrays).toEqual(arrays);
  });

  it('joins what lies in several files, and what lies in shards', async () => {
    const weights = peerWeights(dvae, openaiDvaeNames(dvae));
    const half = (name: string) => new Map(Array.from(weights).flatMap(([key, array]) => (key.startsWith(`${name}.`) ? [[key.slice(name.length + 1), array] as const] : [])));
    await writeSafetensorsFile(at('e.safetensors'), half('encoder'));
    await writeSafetensorsFile(at('d.safetensors'), half('decoder'));
    const report = await convert(['d.safetensors', 'e.safetensors']);
    expect(report.parts).toMatchObject([{ family: 'openai-dvae', configuration: dvae, tensorsUsed: weights.size }]);
    expect(report.parts[0]?.assumed[0]).toContain('256 pixels');

    const [one, two] = [[...stridedWeights()].slice(0, 9), [...stridedWeights()].slice(9)];
    await mkdir(at('shards'));
    await writeSafetensorsFile(at('shards/m-1.safetensors'), new Map(one));
    await writeSafetensorsFile(at('shards/m-2.safetensors'), new Map(two));
    const map = Object.fromEntries([...one.map(([name]) => [name, 'm-1.safetensors']), ...two.map(([name]) => [name, 'm-2.safetensors'])]);
    await writeFile(at('shards/m.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    const sharded = await convert(['shards'], { ...imageSize, out: at('joined') });
    expect(sharded.parts).toMatchObject([{ family: 'dalle-pytorch-vae', tensorsUsed: one.length + two.length }]);
    expect(sharded.sources.map(({ file }) => file)).toEqual(['m.safetensors.index.json', 'm-1.safetensors', 'm-2.safetensors']);
  });

  it('finds the tokenizers that DALLE-pytorch wraps, and the transformer beside them', async () => {
    const enc = (name: string): string => name.replace(/^encoder\./, 'enc.').replace(/^decoder\./, 'dec.');
    const openai = new Map(Array.from(peerWeights(dvae, openaiDvaeNames(dvae)), ([name, array]) => [`vae.${enc(name)}`, array] as const));
    await writeSafetensorsFile(at('a.safetensors'), new Map([...dallePytorchTransformer(), ...openai]));
    const [first, prior] = (await convert(['a.safetensors'])).parts;
    expect(first).toMatchObject({ family: 'dalle-pytorch', configuration: dvae, tensorsUsed: openai.size });
    // Without hyperparameters, what tensors do not show is taken for granted, and said.
    expect(prior).toMatchObject({ part: 'prior', tensorsUsed: 24, ignored: [{ name: 'logits_mask' }], assumed: [expect.stringContaining('--set heads=N')] });
    expect(prior?.configuration).toMatchObject({
      width: 64,
      layers: 1,
      heads: 1,
      headSize: 64,
      textVocabularySize: 5,
      textLength: 2,
      codebookSize: 16,
      block: { tokenShift: true },
    });
    const [, said] = (await convert(['a.safetensors'], { out: at('said'), settings: { heads: 4, headSize: 16 } })).parts;
    expect(said).toMatchObject({ configuration: { heads: 4, headSize: 16 }, assumed: [] });

    const wrapped = new Map([...peerWeights(vqgan, tamingVqganNames(vqgan), 'vae.model.'), ['vae.model.loss.discriminator.main.0.weight', float32Array([1], [1])] as const]);
    await writeSafetensorsFile(at('b.safetensors'), new Map([...dallePytorchTransformer(), ...wrapped]));
    const [second] = (await convert(['b.safetensors'], { out: at('second') })).parts;
    expect(second).toMatchObject({ configuration: vqgan, tensorsUsed: wrapped.size - 1 });
    expect(second?.ignored).toHaveLength(1);
  });

  it('passes large tensors in pieces, and looks at every one', async () => {
    const wide: StridedDvaeConfiguration = { ...strided, codebookSize: 600_000 };
    const weights = peerWeights(wide, dallePytorchVaeNames(wide));
    await writeSafetensorsFile(at('vae.safetensors'), weights);
    const shares: number[] = [];
    await convert(['vae.safetensors'], { ...imageSize, onProgress: ({ done, total }) => shares.push(done / total) });
    // Ten pieces each of two tensors of 9.6 MB, three of one of 2.4 MB, the others whole.
    expect(shares).toHaveLength(weights.size + 20);
    expect(shares.at(-1)).toBe(1);
    const { arrays } = await readSafetensorsFile(join(out(), 'image-tokenizer/model.safetensors'));
    for (const name of ['codebook.weight', 'encoder.output.weight'] as const) {
      const original = weights.get(name === 'codebook.weight' ? name : 'encoder.3.weight');
      const bytes = (array: HostArray | undefined): Uint8Array => new Uint8Array(array?.data.buffer ?? new ArrayBuffer(0));
      expect(Buffer.compare(bytes(arrays.get(name)), bytes(original))).toBe(0);
    }
    const broken = Float32Array.from(weights.get('codebook.weight')?.data ?? []);
    broken[2_000_000] = Number.NEGATIVE_INFINITY;
    await writeSafetensorsFile(at('vae.safetensors'), new Map([...weights, ['codebook.weight', float32Array([600_000, 4], broken)] as const]));
    expect((await failure(convert(['vae.safetensors'], { ...imageSize, out: at('never') }))).message).toContain(
      "'codebook.weight' is not finite (NaN or infinite) at element 2000000",
    );
  });

  it("turns Flax's filters into ours", async () => {
    const wanted = peerWeights(
      vqgan,
      Array.from(vqganJaxNames(vqgan), ({ path }) => ({ peer: path, path })),
    );
    const flax = new Map<string, HostArray>();
    for (const { peer, path, transform } of vqganJaxNames(vqgan)) {
      const array = wanted.get(path);
      if (array === undefined) continue;
      const [outputs = 1, inputs = 1, height = 1, width = 1] = array.shape;
      // [out, in, height, width] → [height, width, in, out], element by element.
      const elementAt = (index: number): number => {
        const [o, i, x, y] = [index % outputs, Math.floor(index / outputs) % inputs, Math.floor(index / outputs / inputs) % width, Math.floor(index / outputs / inputs / width)];
        return Number(array.data[((o * inputs + i) * height + y) * width + x]);
      };
      flax.set(
        peer,
        transform === undefined
          ? array
          : float32Array(
              [height, width, inputs, outputs],
              Float32Array.from({ length: array.data.length }, (_, index) => elementAt(index)),
            ),
      );
    }
    expect(flax.has('decoder/up_1/block_0/conv1/kernel') && flax.has('encoder/mid/attn_1/norm/scale')).toBe(true);
    await writeSafetensorsFile(at('flax.safetensors'), flax);
    const report = await convert(['flax.safetensors']);
    expect(report.parts).toMatchObject([{ family: 'vqgan-jax', configuration: { ...vqgan, pixelRange: 'zero-to-one' }, tensorsUsed: wanted.size }]);
    expect((await readSafetensorsFile(join(out(), 'image-tokenizer/model.safetensors'))).arrays).toEqual(wanted);
  });

  it('reads the size of pictures from a config.yaml beside the file, and says when it cannot', async () => {
    await writeSafetensorsFile(at('last.safetensors'), peerWeights(vqgan, tamingVqganNames(vqgan)));
    await writeFile(at('config.yaml'), 'model:\n  params:\n    ddconfig:\n      resolution: 64\n');
    const read = await convert(['last.safetensors']);
    expect(read.parts).toMatchObject([{ configuration: { ...vqgan, imageSize: 64 }, assumed: [] }]);
    await writeFile(at('config.yaml'), 'model: !!python/object/apply:os.system ["true"]\n');
    const unread = await convert(['last.safetensors'], { replace: true });
    expect(unread.parts).toMatchObject([{ configuration: vqgan, assumed: [expect.stringContaining('256 pixels')] }]);
    expect(unread.remarks).toEqual([expect.stringContaining('line 1')]);
  });
});

describe('a conversion that cannot be', () => {
  const refused = async (weights: ReadonlyMap<string, HostArray>, options: Partial<ConvertOptions> = imageSize): Promise<TesseraeError> => {
    await writeSafetensorsFile(at('vae.safetensors'), weights);
    const error = await failure(convert(['vae.safetensors'], options));
    expect(await readdir(folder)).toEqual(['vae.safetensors']);
    return error;
  };

  it('names tensors that are missing, unknown or of another shape', async () => {
    const weights = stridedWeights();
    weights.delete('encoder.0.0.bias');
    weights.set('decoder.9.weight', float32Array([1], [1]));
    weights.set('codebook.weight', float32Array([8, 5], new Float32Array(40)));
    weights.set('decoder.0.weight', float32Array([4, 4, 1, 1], new Float32Array(16)));
    const { code, message } = await refused(weights);
    expect(code).toBe('model-incompatible');
    expect(message).toContain("'decoder.0.weight' has the shape [4, 4, 1, 1] where the configuration wants [4, 5, 1, 1]");
    expect(message).toContain("1 of its 27 tensors are missing: 'encoder.0.0.bias'");
    expect(message).toContain("1 tensors are not known: 'decoder.9.weight'");
  });

  it('names a weight that is not finite, or beyond half precision', async () => {
    const weights = stridedWeights();
    weights.set('encoder.0.0.bias', float32Array([4], [1, 2, Number.NaN, 4]));
    expect(await refused(weights)).toMatchObject({
      code: 'numerical-failure',
      message: expect.stringContaining("'encoder.0.0.bias' is not finite (NaN or infinite) at element 2"),
    });
    weights.set('encoder.0.0.bias', float32Array([4], [1, 2, 1e6, 4]));
    // Three numbers: none of the fours that are added up.
    const [last = ''] = Array.from(weights).flatMap(([name, { shape }]) => (shape.length === 1 && shape[0] === 3 ? [name] : []));
    const broken = new Map([...weights, [last, float32Array([3], [1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])] as const]);
    expect((await refused(broken)).message).toContain(`'${last}' is not finite (NaN or infinite) at element 1`);
    expect(await refused(weights, { ...imageSize, floats: 'float16' })).toMatchObject({ code: 'numerical-failure', message: expect.stringContaining('1000000') });
  });

  it('asks for what no file says, and refuses settings that are none', async () => {
    expect((await refused(stridedWeights(), {})).message).toContain('--set imageSize=N');
    expect((await refused(stridedWeights(), { settings: { imageSize: 16, colour: 1 } })).message).toContain("'colour' is no setting");
    expect((await refused(stridedWeights(), { family: 'jpeg' })).message).toContain("no kind of checkpoint 'jpeg'");
    expect((await refused(stridedWeights(), { family: 'llamagen-vq' })).message).toContain("no tensor 'encoder.conv_in.weight'");
    expect((await refused(new Map([['w', float32Array([1], [1])]]), {})).message).toContain("of no known kind; it holds 1 tensors: 'w'");
  });

  it('leaves a model alone that is in its place, unless it is to be replaced, and never another folder', async () => {
    await writeSafetensorsFile(at('vae.safetensors'), stridedWeights());
    await convert(['vae.safetensors'], imageSize);
    expect((await failure(convert(['vae.safetensors'], imageSize))).message).toContain('not empty');
    await convert(['vae.safetensors'], { ...imageSize, floats: 'float16', replace: true });
    expect((await readSafetensorsFile(join(out(), 'image-tokenizer/model.safetensors'))).metadata.convertedFrom).toBe('dalle-pytorch-vae');
    expect(await readdir(folder)).toEqual(['model', 'vae.safetensors']);
    await mkdir(at('photos'));
    await writeFile(at('photos/cat.txt'), 'cat');
    expect((await failure(convert(['vae.safetensors'], { ...imageSize, out: at('photos'), replace: true }))).message).toContain('no model folder');
    expect(await readdir(at('photos'))).toEqual(['cat.txt']);
  });
});

describe('a conversion that is interrupted', () => {
  /** Stops it at the fifth tensor. */
  async function interrupted(options: Parameters<typeof convert>[1] = imageSize): Promise<void> {
    const abort = new AbortController();
    let tensors = 0;
    const stopping = convert(['vae.safetensors'], {
      ...options,
      signal: abort.signal,
      onProgress: () => {
        tensors += 1;
        if (tensors === 5) abort.abort(new Error('enough'));
      },
    });
    await expect(stopping).rejects.toThrow('enough');
    expect(tensors).toBeLessThan(10);
  }

  it('rejects with the reason and puts nothing in place; the same one goes on, to the same bytes', async () => {
    await writeSafetensorsFile(at('vae.safetensors'), stridedWeights());
    const whole = await convert(['vae.safetensors'], { ...imageSize, out: at('whole') });
    await interrupted();
    expect(await readdir(folder)).toEqual(['model.partial', 'vae.safetensors', 'whole']);
    const seen: number[] = [];
    const report = await convert(['vae.safetensors'], { ...imageSize, onProgress: ({ done }) => seen.push(done) });
    expect(report.resumed).toBeGreaterThan(0);
    expect(seen.at(-1)).toBe(report.parts[0]?.sourceBytes);
    expect({ ...report, out: '', resumed: 0 }).toEqual({ ...whole, out: '' });
    expect(await readFile(join(out(), 'image-tokenizer', 'model.safetensors'))).toEqual(await readFile(at('whole/image-tokenizer/model.safetensors')));
    expect(await readdir(folder)).toEqual(['model', 'vae.safetensors', 'whole']);
    expect(await readdir(out())).toEqual(['image-tokenizer', 'model_index.json']);
    expect(await readdir(join(out(), 'image-tokenizer'))).toEqual(['config.json', 'model.safetensors']);
  });

  it('does not go on as another one: of another file, or to other types', async () => {
    await writeSafetensorsFile(at('vae.safetensors'), stridedWeights());
    await interrupted();
    expect((await convert(['vae.safetensors'], { ...imageSize, floats: 'float16' })).resumed).toBe(0);
    await interrupted({ ...imageSize, replace: true });
    await utimes(at('vae.safetensors'), 1, 1);
    // What a killed process may leave beside.
    await writeFile(`${out()}.partial/image-tokenizer/stray.txt`, 'half');
    expect((await convert(['vae.safetensors'], { ...imageSize, replace: true })).resumed).toBe(0);
    expect(await readdir(join(out(), 'image-tokenizer'))).toEqual(['config.json', 'model.safetensors']);
  });

  it('believes no more of what is there than was noted as written', async () => {
    await writeSafetensorsFile(at('vae.safetensors'), stridedWeights());
    const whole = await convert(['vae.safetensors'], { ...imageSize, out: at('whole') });
    for (const note of ['{"bytes": 1e9}', '{"bytes": -1}', '{', '']) {
      await interrupted({ ...imageSize, replace: true });
      await writeFile(`${out()}.partial/image-tokenizer/model.safetensors.written`, note);
      await appendFile(`${out()}.partial/image-tokenizer/model.safetensors`, 'torn');
      const report = await convert(['vae.safetensors'], { ...imageSize, replace: true });
      expect(report.resumed, note).toBe(0);
      expect(report.parts[0]?.sha256).toBe(whole.parts[0]?.sha256);
    }
    await interrupted({ ...imageSize, replace: true });
    await appendFile(`${out()}.partial/image-tokenizer/model.safetensors`, 'torn');
    const report = await convert(['vae.safetensors'], { ...imageSize, replace: true });
    expect(report.resumed).toBeGreaterThan(0);
    expect(report.parts[0]?.sha256).toBe(whole.parts[0]?.sha256);
  });
});
