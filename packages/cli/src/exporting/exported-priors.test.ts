import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { metaOf, packages, peers, recording } from '../__fixtures__/conversion.js';
import { runCommand } from '../__fixtures__/run-command.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-exported-priors-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Feeds = Readonly<Record<string, Tensor>>;

const integers = (values: ArrayLike<number>, shape: readonly number[]): Tensor => new Tensor('int32', Int32Array.from(values), shape);
const truths = (values: ArrayLike<number>, shape: readonly number[]): Tensor => new Tensor('bool', Uint8Array.from(values), shape);
const recordingsOf = (name: string): string => join(packages, 'transformer/src/__fixtures__', name);

/** A row of a recorded array. */
async function rowOf(recorded: string, name: string, row: number): Promise<number[]> {
  const { shape, data } = await recording(recorded, name);
  const length = data.length / (shape[0] ?? 1);
  return Array.from(data.subarray(row * length, (row + 1) * length), Number);
}

/** The peer's files, converted and exported by the commands, in plain ONNX Runtime. */
async function exported(files: readonly string[], words: readonly string[], exportWords: readonly string[] = []) {
  const [model, out] = [join(folder, 'model'), join(folder, 'onnx')];
  expect(await runCommand(['convert', ...files, '--out', model, ...words])).toMatchObject({ code: 0 });
  expect(await runCommand(['export', model, '--out', out, ...exportWords])).toMatchObject({ code: 0 });
  const open = (file: string) => InferenceSession.create(join(out, file), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  return { prefill: await open('prior-prefill.onnx'), decode: await open('prior-decode.onnx') };
}

/** What `docs/exporting.md` says to do, the likeliest token handed in: the tokens of each of `pictures`. */
async function paint(
  { prefill, decode }: { readonly prefill: InferenceSession; readonly decode: InferenceSession },
  told: Feeds,
  { shares = [1], pictures = 1, count }: { readonly shares?: readonly number[]; readonly pictures?: number; readonly count: number },
): Promise<readonly number[][]> {
  const weights = new Tensor('float32', Float32Array.from(shares), [shares.length]);
  const likeliest = (scores: Tensor | undefined): number[] => {
    const all = Array.from((scores?.data ?? []) as Float32Array);
    return Array.from({ length: pictures }, (_, row) => {
      const own = all.slice((row * all.length) / pictures, ((row + 1) * all.length) / pictures);
      return own.indexOf(Math.max(...own));
    });
  };
  let results = await prefill.run({ ...told, weights });
  const state: Record<string, Tensor> = {};
  const tokens: number[][] = Array.from({ length: pictures }, () => []);
  for (let position = 0; position < count; position += 1) {
    const chosen = likeliest(results.scores);
    for (const [row, token] of chosen.entries()) tokens[row]?.push(token);
    // What a call does not give stays as it was: an encoder's states, a caption's mask.
    for (const [name, value] of Object.entries(results)) if (name.startsWith('update:')) state[name.replace('update:', 'state:')] = value as Tensor;
    const known = integers(chosen, [pictures, 1]);
    results = await decode.run({ span: integers([position], []), known, weights, ...state });
    expect(Array.from((results.tokens?.data ?? []) as Int32Array)).toEqual(chosen);
  }
  await prefill.release();
  await decode.release();
  return tokens;
}

describe('an exported prior paints in plain ONNX Runtime what the peer painted', () => {
  const grid = ['--set', 'heads=2,grid={"rows":4,"columns":4}'];

  it('told a class: LlamaGen', async () => {
    const recorded = recordingsOf('llamagen/gpt-c2i');
    const tokens = await rowOf(recorded, 'greedy_nocfg', 0);
    const sessions = await exported([join(peers, 'llamagen/gpt-c2i/model.pt')], grid);
    const told = { text: integers(await rowOf(recorded, 'cond', 0), [1, 1]) };
    expect(await paint(sessions, told, { count: tokens.length })).toEqual([tokens]);
  });

  it("told a caption's features, some of which are masked: LlamaGen", async () => {
    const recorded = recordingsOf('llamagen/gpt-t2i-mask');
    const tokens = await rowOf(recorded, 'greedy_nocfg', 0);
    const mask = await rowOf(recorded, 'caption_mask', 0);
    expect(mask).toContain(0);
    const features = Float32Array.from(await rowOf(recorded, 'cond', 0));
    const sessions = await exported([join(peers, 'llamagen/gpt-t2i-mask/model.pt')], grid);
    const told = {
      features: new Tensor('float32', features, [1, mask.length, features.length / mask.length]),
      featuresMask: truths(mask, [1, mask.length]),
      featuresGiven: truths([1], [1]),
    };
    expect(await paint(sessions, told, { count: tokens.length })).toEqual([tokens]);
  });

  it('reading the text with an encoder, two pictures at once, guided away from the empty text: min-dalle', async () => {
    const recorded = recordingsOf('min-dalle/bart-small');
    const tokens = [await rowOf(recorded, 'greedy_tokens', 0), await rowOf(recorded, 'greedy_tokens', 1)];
    const guidance = metaOf(recorded).config.supercondition_factor ?? 1;
    expect(guidance).not.toBe(1);
    const { shape, data } = await recording(recorded, 'text_tokens');
    const files = ['encoder.pt', 'decoder.pt'].map((file) => join(peers, 'min-dalle/bart-small', file));
    const sessions = await exported(files, ['--set', 'heads=4'], ['--guided', '--batch', '2']);
    // The empty text is the first of the two there.
    const told = { text: integers(Array.from(data, Number), shape) };
    expect(await paint(sessions, told, { shares: [1 - guidance, guidance], pictures: 2, count: tokens[0]?.length ?? 0 })).toEqual(tokens);
  });
});
