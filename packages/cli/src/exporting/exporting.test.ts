import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
import type { Backend, ImageTokenizer } from '@tesserae/core';
import { type OpenedModel, openModelFolder, readSafetensorsFile } from '@tesserae/core/node';
import { pictureFromPlanes, planarPixels } from '@tesserae/dvae';
import { stateDictionary } from '@tesserae/importers';
import { openCheckpointFile } from '@tesserae/importers/node';
import { padText, parsePriorConfiguration } from '@tesserae/transformer';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../__fixtures__/run-command.js';
import { loadImageTokenizer, loadPrior, loadTextTokenizer } from '../model.js';

const scenes = fileURLToPath(new URL('../../../../models/scenes/', import.meta.url));
const peers = fileURLToPath(new URL('../../../importers/src/__fixtures__/peers/', import.meta.url));

let folder = '';
let backend: Backend;
let model: OpenedModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-export-'));
  backend = await createNodeOnnxBackend({ threads: 1 });
  model = await openModelFolder(scenes);
});
afterAll(async () => {
  await backend.dispose();
  await rm(folder, { recursive: true, force: true });
});

const session = (file: string): Promise<InferenceSession> => InferenceSession.create(join(folder, 'onnx', file), { intraOpNumThreads: 1, logSeverityLevel: 3 });
const integers = (values: Iterable<number>, shape: readonly number[]): Tensor => new Tensor('int32', Int32Array.from(values), shape);

/** What a user of plain ONNX Runtime does: what comes out as `update:…` goes in again as `state:…`. */
function stateFrom(results: Awaited<ReturnType<InferenceSession['run']>>): Record<string, Tensor> {
  const updates = Object.entries(results).filter(([name]) => name.startsWith('update:'));
  return Object.fromEntries(updates.map(([name, value]) => [name.replace('update:', 'state:'), value as Tensor]));
}

describe('a model exported to ONNX', () => {
  it('lies in a file a graph, with standard operators and the weights inside', async () => {
    const { code, stdout } = await runCommand(['export', scenes, '--out', join(folder, 'onnx'), '--json']);
    expect(code).toBe(0);
    expect((await readdir(join(folder, 'onnx'))).sort()).toEqual(['decoder.onnx', 'encoder.onnx', 'prior-decode.onnx', 'prior-prefill.onnx']);
    expect(JSON.parse(stdout)).toMatchObject({ files: expect.arrayContaining([expect.objectContaining({ file: 'encoder.onnx', outputs: ['codes'] })]) });
  });

  it('paints a caption in plain ONNX Runtime exactly as it does here', async () => {
    const text = await loadTextTokenizer(model);
    const configuration = parsePriorConfiguration(await model.readJson('prior', 'config.json'));
    const { rows, columns } = configuration.grid;
    const ids = Int32Array.from(text.encode('a red circle'));

    const prefill = await session('prior-prefill.onnx');
    const one = new Tensor('float32', Float32Array.of(1), [1]);
    const start = await prefill.run({ text: integers(padText(configuration, ids), [1, configuration.textLength]), weights: one });
    const decode = await session('prior-decode.onnx');
    const scores = Array.from(start.scores?.data as Float32Array);
    let state = stateFrom(start);
    const tokens: number[] = [];
    // In the first row the model chooses the likeliest token itself; then it is chosen outside and handed in.
    let likeliest = scores.indexOf(Math.max(...scores));
    for (let position = 0; position < columns + 4; position += 1) {
      const known = integers([position < columns ? -1 : likeliest], [1, 1]);
      const results = await decode.run({ span: integers([position], []), known, weights: one, ...state });
      tokens.push(...Array.from(results.tokens?.data as Int32Array));
      const next = Array.from(results.scores?.data as Float32Array);
      likeliest = next.indexOf(Math.max(...next));
      state = stateFrom(results);
    }
    await prefill.release();
    await decode.release();

    const prior = await loadPrior(model, { backend, maximumBatch: 1 });
    const expected: number[] = [];
    const request = { branches: [{ text: ids, weight: 1 }], known: [new Int32Array(rows * columns).fill(-1)], candidates: [0], sampling: { temperature: 0 }, uniform: () => 0.5 };
    for await (const { tokens: row } of prior.decode(request)) {
      expected.push(...(row[0] ?? []));
      if (expected.length >= tokens.length) break;
    }
    prior.dispose();
    expect(tokens).toEqual(expected.slice(0, tokens.length));
    expect(new Set(tokens).size).toBeGreaterThan(1);
  });

  it('encodes and decodes pictures in plain ONNX Runtime exactly as it does here', async () => {
    const tokenizer: ImageTokenizer = await loadImageTokenizer(model, { backend });
    const { rows, columns } = tokenizer.grid;
    const [width, height] = [columns * tokenizer.downsampling, rows * tokenizer.downsampling];
    const picture = { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, index) => (index % 3 === 0 ? 200 : (index / 96) % 256)) };
    const pixels = new Float32Array(3 * width * height);
    planarPixels(picture.data, pixels, 0);

    const encoder = await session('encoder.onnx');
    const { codes } = await encoder.run({ pixels: new Tensor('float32', pixels, [1, 3, height, width]) });
    await encoder.release();
    expect(Array.from(codes?.data as Int32Array)).toEqual(Array.from((await tokenizer.encode([picture]))[0] ?? []));

    const grid = Int32Array.from({ length: rows * columns }, (_, index) => (index * 37) % tokenizer.codebookSize);
    const decoder = await session('decoder.onnx');
    const decoded = await decoder.run({ codes: integers(grid, [1, rows, columns]) });
    await decoder.release();
    const [expected] = await tokenizer.decode([grid], tokenizer.grid);
    const exported = pictureFromPlanes(decoded.pixels?.data as Float32Array, 0, width, height);
    // Other operators for the same sums: a byte may be rounded the other way.
    exported.data.forEach((value, index) => expect(Math.abs(value - (expected?.data[index] ?? 0))).toBeLessThanOrEqual(1));
    tokenizer.dispose();
  });
});

describe('a model exported as safetensors', () => {
  it.each([
    ['openai-dvae/nhid12-blk2-v600-rect', ['decoder.safetensors', 'encoder.safetensors'], ['decoder.pkl', 'encoder.pkl'], []],
    ['dalle-pytorch/vae-l3-res1-sl1-kl-st', ['image-tokenizer.safetensors'], ['vae.pt'], ['--set', 'imageSize=32']],
    ['taming-vqgan/gumbel', ['image-tokenizer.safetensors'], ['last.ckpt'], []],
    ['llamagen/vq', ['image-tokenizer.safetensors'], ['vq.pt'], []],
    ['min-dalle/detokenizer', ['image-tokenizer.safetensors'], ['detoker.pt'], ['--set', 'imageSize=64,normGroups=8']],
  ] as const)("is %s again, under the peer's own names, and converts back to the same", async (source, files, peerFiles, words) => {
    const [first, exported, second] = ['first', 'exported', 'second'].map((name) => join(folder, source.replaceAll('/', '-'), name)) as [string, string, string];
    expect(await runCommand(['convert', join(peers, source), '--out', first, ...words])).toMatchObject({ code: 0 });
    expect(await runCommand(['export', first, '--out', exported, '--format', 'safetensors'])).toMatchObject({ code: 0 });
    expect((await readdir(exported)).sort()).toEqual(files);
    for (const [index, file] of files.entries()) {
      const ours = await openCheckpointFile(join(exported, file));
      const theirs = stateDictionary(await openCheckpointFile(join(peers, source, peerFiles[index] ?? '')));
      for (const tensor of ours.tensors) {
        const original = theirs.get(tensor.name);
        expect(original?.shape, tensor.name).toEqual(tensor.shape);
        expect(Buffer.compare(await tensor.read(), (await original?.read()) ?? new Uint8Array(0)), tensor.name).toBe(0);
      }
      const needless = [...theirs.keys()].filter((name) => !ours.tensors.some((tensor) => tensor.name === name));
      expect(needless.every((name) => name.startsWith('loss.') || name === 'quantize.codebook_used')).toBe(true);
    }
    expect(await runCommand(['convert', exported, '--out', second, ...words])).toMatchObject({ code: 0 });
    const weights = (path: string) => readSafetensorsFile(join(path, 'image-tokenizer/model.safetensors'));
    expect((await weights(second)).arrays).toEqual((await weights(first)).arrays);
  });

  const heads = ['--set', 'heads=2,headSize=16,imageSize=16'];
  const grid = ['--set', 'heads=2,grid={"rows":4,"columns":4}'];
  it.each([
    // What it is made of decides its names; what is shared is in the file once a user.
    ['dalle-pytorch/dalle-full-plain', { 'dalle.safetensors': 'dalle.pt' }, [], heads],
    ['dalle-pytorch/dalle-axial-conv-learnedpos', { 'dalle.safetensors': 'dalle.pt' }, [], undefined],
    ['dalle-pytorch/dalle-reversible-rotary-shift', { 'dalle.safetensors': 'dalle.pt' }, [], undefined],
    ['dalle-pytorch/dalle-shared-emb-opt', { 'dalle.safetensors': 'dalle.pt' }, [], undefined],
    ['dalle-pytorch/dalle-shared-layers', { 'dalle.safetensors': 'dalle.pt' }, [], undefined],
    ['dalle-pytorch/dalle-stable-sandwich', { 'dalle.safetensors': 'dalle.pt' }, [], undefined],
    ['mindalle-kakao/small', { 'image-tokenizer.safetensors': 'stage1_last.ckpt', 'prior.safetensors': 'stage2_last.ckpt' }, [], ['--set', 'heads=4,imageSize=16']],
    ['llamagen/gpt-c2i', { 'prior.safetensors': 'model.pt' }, grid, grid],
    ['llamagen/gpt-t2i-mask', { 'prior.safetensors': 'model.pt' }, grid, grid],
    ['min-dalle/bart-3layer', { 'prior-decoder.safetensors': 'decoder.pt', 'prior-encoder.safetensors': 'encoder.pt' }, ['--set', 'heads=2'], ['--set', 'heads=2']],
  ] as const)("is the prior of %s again, under the peer's own names", async (source, files, words, back) => {
    const [first, exported, second] = ['first', 'exported', 'second'].map((name) => join(folder, source.replaceAll('/', '-'), name)) as [string, string, string];
    expect(await runCommand(['convert', join(peers, source), '--out', first, ...words])).toMatchObject({ code: 0 });
    expect(await runCommand(['export', first, '--out', exported, '--format', 'safetensors'])).toMatchObject({ code: 0 });
    for (const [file, peerFile] of Object.entries(files)) {
      const ours = new Map((await openCheckpointFile(join(exported, file))).tensors.map((tensor) => [tensor.name, tensor] as const));
      const theirs = stateDictionary(await openCheckpointFile(join(peers, source, peerFile)));
      const missing = [...theirs.keys()].filter((name) => !ours.has(name));
      // Tables and masks that follow from the sizes, and the loss of a training.
      expect(missing.filter((name) => !/^transformer\.pos_emb$|\.mask$|^(vae\.)?loss\./.test(name))).toEqual([]);
      for (const [name, tensor] of ours) {
        const original = theirs.get(name);
        expect(original?.shape, name).toEqual(tensor.shape);
        expect(Buffer.compare(await tensor.read(), (await original?.read()) ?? new Uint8Array(0)), name).toBe(0);
      }
    }
    // Options that only hyperparameters say are not in the weights: those conversions would be of another model.
    if (back === undefined) return;
    const again = Object.keys(files).map((file) => join(exported, file));
    expect(await runCommand(['convert', ...again, '--out', second, ...back])).toMatchObject({ code: 0 });
    const weights = (path: string) => readSafetensorsFile(join(path, 'prior/model.safetensors'));
    expect((await weights(second)).arrays).toEqual((await weights(first)).arrays);
  });

  it("carries a residual gain that is not openai/DALL-E's in the weights", async () => {
    const out = join(folder, 'scenes');
    expect(await runCommand(['export', scenes, '--out', out, '--format', 'safetensors'])).toMatchObject({ code: 0 });
    expect((await readdir(out)).sort()).toEqual(['decoder.safetensors', 'encoder.safetensors', 'prior.safetensors']);
    const again = join(folder, 'scenes-again');
    expect(await runCommand(['convert', join(out, 'encoder.safetensors'), join(out, 'decoder.safetensors'), '--set', 'imageSize=64', '--out', again])).toMatchObject({ code: 0 });
    const [ours, theirs] = [await loadImageTokenizer(model, { backend }), await loadImageTokenizer(await openModelFolder(again), { backend })];
    const grid = Int32Array.from({ length: ours.grid.rows * ours.grid.columns }, (_, index) => (index * 53) % ours.codebookSize);
    const [[a], [b]] = [await ours.decode([grid], ours.grid), await theirs.decode([grid], theirs.grid)];
    a?.data.forEach((value, index) => expect(Math.abs(value - (b?.data[index] ?? 0))).toBeLessThanOrEqual(1));
    ours.dispose();
    theirs.dispose();
  });
});
