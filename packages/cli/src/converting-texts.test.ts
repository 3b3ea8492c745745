import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { float32Array, type HostArray } from '@tesserae/core';
import { openModelFolder, writeSafetensorsFile } from '@tesserae/core/node';
import { createReferenceBackend } from '@tesserae/core/reference';
import { readWeights, stateDictionary } from '@tesserae/importers';
import { openCheckpointFile } from '@tesserae/importers/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metaOf, peers, recording } from './__fixtures__/conversion.js';
import { type CommandRun, runCommand } from './__fixtures__/run-command.js';
import { loadScorer, loadTextTokenizer } from './model.js';
import { readPicture } from './pictures.js';

/** A sentence becomes a picture by models of other systems: converted by the command together with their text tokenizers. */

const recordings = fileURLToPath(new URL('../../transformer/src/__fixtures__/', import.meta.url));
const minDalleFiles = join(recordings, 'min-dalle/tokenizer');
const mindalle = join(peers, 'mindalle-kakao/small');
const dalle = join(peers, 'dalle-pytorch/dalle-full-plain/dalle.pt');
const smallClip = join(peers, 'openai-clip/vit-fp32/model.pt');
/** CLIP's vocabulary is not ours to hand on: it is read from beside the repository, where it is. */
const clipVocabulary = fileURLToPath(new URL('../../../../shared/fixtures/openai-clip/tokenizer/bpe_simple_vocab_16e6.txt.gz', import.meta.url));

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-texts-'));
  await writeFile(at('letters.json'), JSON.stringify(letters(30)));
  await writeFile(at('many.json'), JSON.stringify(letters(60)));
  expect(await convert(dalle, '--out', at('dalle'), '--text-tokenizer', at('letters.json'))).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A tokenizer of single characters: a space and what follows it in ASCII. */
function letters(count: number): unknown {
  const characters = Array.from({ length: count }, (_, index) => String.fromCharCode(index === 0 ? 0x20 : 0x60 + index));
  return { added_tokens: [], normalizer: { type: 'Lowercase' }, model: { type: 'BPE', vocab: Object.fromEntries(characters.map((character, id) => [character, id])), merges: [] } };
}

const convert = (...words: readonly string[]): Promise<CommandRun> => runCommand(['convert', ...words, '--json']);

async function generate(model: string, prompt: string, ...words: readonly string[]): Promise<{ readonly images: readonly { readonly file: string; readonly score?: number }[] }> {
  const { code, stdout, stderr } = await runCommand(['generate', prompt, '--model', model, '--out', at('pictures'), '--seed', '3', '--json', ...words]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Awaited<ReturnType<typeof generate>>;
}

describe('min-dalle', () => {
  it('makes the recorded picture of a sentence', async () => {
    const source = join(peers, 'min-dalle/pipeline-mega-ids');
    const { config } = metaOf(join(recordings, 'min-dalle/pipeline-mega-ids'));
    // That release begins with another code than the published weights were trained with.
    const condition = JSON.stringify({ kind: 'encoder', layers: 2, padding: 1, emptyText: [0, 2], startToken: 16383 });
    const words = ['--text-tokenizer', minDalleFiles, '--set', `normGroups=8,heads=2,condition=${condition}`];
    const { code, stdout, stderr } = await convert(source, '--out', at('min-dalle'), ...words);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ taken: [{ part: 'textTokenizer', from: 'vocab.json', what: 'a text tokenizer of 158 tokens' }] });
    // The peer spells 🥑 out.
    const { images } = await generate(at('min-dalle'), 'a photo of the avocado armchair avocado', '--temperature', '0', '--guidance', String(config.supercondition_factor));
    const made = await readPicture(images[0]?.file ?? '');
    const truth = await recording(source, 'image_every4');
    const [rows = 0, columns = 0] = truth.shape;
    const everyFourth = Array.from({ length: rows * columns * 3 }, (_, index) => {
      const [row, column, channel] = [Math.floor(index / 3 / columns), Math.floor(index / 3) % columns, index % 3];
      return made.data[((4 * row * made.width + 4 * column) * 3 + channel) % made.data.length] ?? -1;
    });
    expect([made.width, made.height]).toEqual([4 * columns, 4 * rows]);
    expect(Math.max(...everyFourth.map((value, index) => Math.abs(value - (truth.data[index] ?? 0))))).toBeLessThan(1);
  });
});

describe('a prior without an image tokenizer', () => {
  it('takes over that of another model folder, and a text tokenizer that lies beside it', async () => {
    expect(await convert(join(mindalle, 'stage1_last.ckpt'), '--out', at('stage1'))).toMatchObject({ code: 0 });
    expect(await convert(mindalle, '--out', at('both'), '--text-tokenizer', at('letters.json'))).toMatchObject({ code: 0 });
    await mkdir(at('second/tokenizer'), { recursive: true });
    for (const file of ['stage2_last.ckpt', 'config.yaml']) await copyFile(join(mindalle, file), at(`second/${file}`));
    await copyFile(at('letters.json'), at('second/tokenizer/tokenizer.json'));
    const { code, stdout, stderr } = await convert(at('second'), '--image-tokenizer', at('stage1'), '--out', at('joined'));
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      taken: [
        { part: 'textTokenizer', from: 'tokenizer.json' },
        { part: 'imageTokenizer', from: at('stage1') },
      ],
      sources: expect.arrayContaining([expect.objectContaining({ file: 'tokenizer.json' })]),
    });
    const [whole, joined] = await Promise.all(
      ['both', 'joined'].map(async (name) => {
        const { images } = await generate(at(name), 'a cat', '--temperature', '1');
        return readFile(images[0]?.file ?? '');
      }),
    );
    expect(joined?.equals(whole ?? Buffer.alloc(0))).toBe(true);
  });

  it("pads with its tokenizer's [PAD], as minDALL-E does, unless told otherwise, and says so where nothing tells it", async () => {
    const file = letters(30) as { readonly model: { readonly vocab: Record<string, number> } };
    await writeFile(at('padded.json'), JSON.stringify({ ...file, model: { ...file.model, vocab: { ...file.model.vocab, '[PAD]': 30 } } }));
    const conditionBy = async (...words: readonly string[]) => {
      const { code, stdout, stderr } = await convert(mindalle, '--out', at('padding'), '--replace', ...words);
      expect(code, stderr).toBe(0);
      const { condition } = (await (await openModelFolder(at('padding'))).readJson('prior', 'config.json')) as { readonly condition: unknown };
      return { condition, isAssumed: stdout.includes('id of [PAD]') };
    };
    const of = (padding: number) => ({ kind: 'text', start: 'none', padding });
    expect(await conditionBy('--text-tokenizer', at('padded.json'))).toEqual({ condition: of(30), isAssumed: false });
    expect(await conditionBy('--text-tokenizer', at('letters.json'))).toEqual({ condition: of(0), isAssumed: true });
    expect(await conditionBy('--text-tokenizer', at('padded.json'), '--set', `condition=${JSON.stringify(of(7))}`)).toEqual({ condition: of(7), isAssumed: false });
  });

  it('is told when an image tokenizer does not fit, or is one too many', async () => {
    expect(await convert(join(peers, 'dalle-pytorch/vae-l3-res1-sl1-kl-st/vae.pt'), '--out', at('other'))).toMatchObject({ code: 0 });
    const stage2 = join(mindalle, 'stage2_last.ckpt');
    const wrong = await convert(stage2, '--image-tokenizer', at('other'), '--out', at('never'));
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/prior makes 64 codes, the image tokenizer of .*other has/) });
    const twice = await convert(mindalle, '--image-tokenizer', at('stage1'), '--out', at('never'));
    expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('Leave --image-tokenizer out') });
    expect(existsSync(at('never'))).toBe(false);
  });
});

describe('DALLE-pytorch', () => {
  it('reads sentences by a tokenizer.json', async () => {
    expect([...(await loadTextTokenizer(await openModelFolder(at('dalle')))).encode('A cat')]).toEqual([1, 0, 3, 1, 20]);
    expect((await generate(at('dalle'), 'a cat')).images).toHaveLength(1);
  });

  it('names a text tokenizer that has more tokens than it knows', async () => {
    const { code, stderr } = await convert(dalle, '--out', at('never'), '--text-tokenizer', at('many.json'));
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('many.json has 60 tokens, the model knows 50.') });
  });

  it('passes over one that merely lies beside and does not fit, and says so', async () => {
    await mkdir(at('beside'));
    await copyFile(dalle, at('beside/dalle.pt'));
    await copyFile(at('many.json'), at('beside/tokenizer.json'));
    const { code, stdout } = await convert(at('beside'), '--out', at('without'));
    expect(code).toBe(0);
    const { remarks, taken } = JSON.parse(stdout) as { readonly remarks: readonly string[]; readonly taken: readonly unknown[] };
    expect(taken).toEqual([]);
    expect(remarks).toEqual([expect.stringContaining('tokenizer.json beside it is not the text tokenizer'), expect.stringContaining('--text-tokenizer FILE gives it one')]);
  });
});

describe("OpenAI's CLIP", () => {
  it('judges candidates of any model, converted with a text tokenizer', async () => {
    // Its start and end of text are the last two of 300 ids.
    expect(await convert(smallClip, '--out', at('clip'), '--text-tokenizer', at('letters.json'))).toMatchObject({ code: 0 });
    const { images } = await generate(at('dalle'), 'a cat', '--rerank', '--oversample', '3', '--candidates', '2', '--scorer', at('clip'));
    const scorer = await loadScorer(
      await openModelFolder(at('clip')),
      { specificationVersion: 'v1', vocabularySize: 0, encode: () => new Int32Array(), decode: () => '' },
      { backend: createReferenceBackend() },
    );
    // Written enlarged by whole pixels, which CLIP's resizing does not undo: the scores of the files are near, their order the same.
    const pictures = await Promise.all(images.map(async ({ file }) => ({ picture: await readPicture(file), codes: new Int32Array(0), grid: { rows: 1, columns: 1 } })));
    const again = [...((await scorer?.score('a cat', pictures)) ?? [])];
    scorer?.dispose();
    const scores = images.map(({ score }) => score ?? Number.NaN);
    expect(scores[0]).toBeGreaterThan(scores[1] ?? Number.NaN);
    again.forEach((score, index) => expect(Math.abs(score - (scores[index] ?? Number.NaN))).toBeLessThan(0.5));
  });

  it('names a vocabulary that is larger than its own', async () => {
    await writeFile(at('huge.json'), JSON.stringify({ model: { type: 'BPE', vocab: Object.fromEntries(Array.from({ length: 301 }, (_, id) => [`t${id}`, id])), merges: [] } }));
    expect(await convert(smallClip, '--out', at('never'), '--text-tokenizer', at('huge.json'))).toMatchObject({ code: 1, stderr: expect.stringContaining('the model knows 300') });
  });

  it.skipIf(!existsSync(clipVocabulary))('reads sentences by its own vocabulary (absent: ../shared/fixtures/openai-clip/tokenizer)', async () => {
    // The small recorded CLIP with as many words as the published ones: its 300, again and again.
    const weights = new Map<string, HostArray>();
    for (const [name, tensor] of stateDictionary(await openCheckpointFile(smallClip))) weights.set(name, await readWeights(tensor));
    const words = weights.get('token_embedding.weight');
    const [known = 1, width = 1] = words?.shape ?? [];
    const table = Float32Array.from({ length: 49_408 * width }, (_, index) => Number(words?.data[index % (known * width)] ?? 0));
    await writeSafetensorsFile(at('clip.safetensors'), new Map([...weights, ['token_embedding.weight', float32Array([49_408, width], table)]]));
    const { code, stderr } = await convert(at('clip.safetensors'), '--out', at('large-clip'), '--text-tokenizer', clipVocabulary);
    expect(code, stderr).toBe(0);
    const { images } = await generate(at('dalle'), 'a cat', '--rerank', '--scorer', at('large-clip'));
    expect(images[0]?.score).toEqual(expect.any(Number));
  });
});

describe('a text tokenizer that cannot be taken', () => {
  it.each<[string, string, string]>([
    ['belongs to nothing that reads text', join(peers, 'dalle-pytorch/vae-l2-res0/vae.pt'), 'nothing that reads text'],
    ['does not exist', smallClip, 'does not exist'],
    ['is no tokenizer', smallClip, "This is not CLIP's vocabulary"],
    ['is packed and torn', smallClip, 'cannot be unpacked'],
  ])('%s', async (what, source, problem) => {
    await writeFile(at('notes.txt'), 'a cat\n');
    await writeFile(at('torn.txt.gz'), Uint8Array.of(0x1f, 0x8b, 8, 0, 1));
    const files: Readonly<Record<string, string>> = { 'does not exist': 'nowhere.json', 'is no tokenizer': 'notes.txt', 'is packed and torn': 'torn.txt.gz' };
    const { code, stderr } = await convert(source, '--out', at('never'), '--text-tokenizer', at(files[what] ?? 'letters.json'));
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(problem) });
    expect(existsSync(at('never'))).toBe(false);
  });
});
