import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostArray } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import { parsePriorConfiguration } from '@tesserae/transformer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forward, logSoftmaxOf } from '../../../transformer/src/__fixtures__/tiny-prior.js';
import { runCommand } from '../__fixtures__/run-command.js';
import { writeStripes } from '../__fixtures__/stripes.js';
import { loadTextTokenizer } from '../model.js';
import { readPicture } from '../pictures.js';
import { readCodedPictures } from './coded-pictures.js';

let folder = '';
const pictures = (): string => join(folder, 'pictures');
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-prior-'));
  await writeStripes(pictures());
  const words = ['--stage', 'tokenizer', '--size', '16', '--downsampling', '4', '--codebook', '16', '--hidden', '4', '--warm-up-steps', '6', '--refinement-steps', '2'];
  const { code, stderr } = await runCommand(['train', pictures(), '--out', join(folder, 'tokenizer'), '--quiet', ...words]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(await runCommand(['tokenize', pictures(), '--model', join(folder, 'tokenizer'), '--out', join(folder, 'codes.safetensors'), '--quiet'])).toMatchObject({ code: 0 });
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Trains a small prior on the one image tokenizer of this file, in a folder of its own. */
async function train(out: string, options: readonly string[], { from = pictures(), signal }: { readonly from?: string; readonly signal?: AbortSignal } = {}) {
  const model = join(folder, out);
  if (!options.includes('--resume')) await cp(join(folder, 'tokenizer'), model, { recursive: true });
  const small = ['--size', '16', '--width', '16', '--layers', '2', '--heads', '2', '--text-length', '12', '--vocabulary', '280', '--prior-steps', '9'];
  return runCommand(['train', from, '--out', model, '--stage', 'prior', '--json', ...small, ...options], signal === undefined ? {} : { signal });
}

const weightsOf = (out: string): Promise<Buffer> => readFile(join(folder, out, 'prior', 'model.safetensors'));
const trainingFile = (out: string, file: string): Promise<Buffer> => readFile(join(folder, out, 'training', 'prior', file));

interface Line {
  readonly step: number;
  readonly loss?: number;
  readonly learningRate?: number;
  readonly gradientNorm?: number;
  readonly validationImageLoss?: number;
  readonly validationBitsPerImageToken?: number;
}
const metricsOf = async (out: string): Promise<Line[]> =>
  (await trainingFile(out, 'metrics.jsonl'))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
const updatesOf = async (out: string): Promise<(Line & { readonly loss: number })[]> =>
  (await metricsOf(out)).flatMap(({ loss, ...line }) => (loss === undefined ? [] : [{ ...line, loss }]));

/** Everything that a training may be told, at once. */
const everything = ['--prior-batch', '3', '--accumulate', '2', '--augment', '--schedule', 'plateau', '--plateau-window', '2', '--sample-every', '4', '--caption-dropout', '0.2'];
const prompts = ['--prompt', 'red stripes, upright', '--prompt', 'blue'];

describe('a prior in training', () => {
  it('with accumulation, augmentation, plateaus and samples goes on after an interruption to the very same losses, weights and pictures', async () => {
    const { code, stderr, stdout } = await train('whole', [...everything, ...prompts]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { prior } = JSON.parse(stdout) as { readonly prior: Readonly<Record<string, number>> };
    expect(prior.validationBitsPerImageToken).toBeCloseTo((prior.validationImageLoss ?? 0) / Math.LN2, 10);

    const abort = new AbortController();
    const watch = setInterval(() => {
      trainingFile('stopped', 'metrics.jsonl').then(
        (text) => text.toString('utf8').split('\n').length > 3 && abort.abort(new DOMException('Interrupted.', 'AbortError')),
        () => undefined,
      );
    }, 1);
    const stopped = await train('stopped', [...everything, ...prompts], { signal: abort.signal });
    clearInterval(watch);
    expect(stopped.code).toBe(130);
    expect(await train('stopped', [...everything, ...prompts, '--resume'])).toMatchObject({ code: 0 });

    const lossesOf = async (out: string) => (await updatesOf(out)).map(({ step, loss, learningRate, gradientNorm }) => ({ step, loss, learningRate, gradientNorm }));
    expect(await lossesOf('stopped')).toEqual(await lossesOf('whole'));
    expect((await updatesOf('whole')).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect((await weightsOf('stopped')).equals(await weightsOf('whole'))).toBe(true);
    const sheets = (await readdir(join(folder, 'whole', 'training', 'prior'))).filter((name) => name.endsWith('.png')).sort();
    expect(sheets).toEqual(['samples-000004.png', 'samples-000008.png', 'samples-000009.png']);
    for (const sheet of sheets) expect((await trainingFile('stopped', sheet)).equals(await trainingFile('whole', sheet)), sheet).toBe(true);
  }, 240_000);

  it('draws four candidates of each prompt by its averaged weights, as generate does from the finished model', async () => {
    // Pictures of 16×16 with two pixels between.
    const sheet = await readPicture(join(folder, 'whole', 'training', 'prior', 'samples-000009.png'));
    expect([sheet.width, sheet.height]).toEqual([4 * 18 + 2, 2 * 18 + 2]);
    const out = join(folder, 'again');
    const { stdout } = await runCommand(['generate', 'red stripes, upright', '--model', join(folder, 'whole'), '--out', out, '--candidates', '4', '--seed', '0', '--json']);
    for (const { file, candidate } of (JSON.parse(stdout) as { readonly images: readonly { file: string; candidate: number }[] }).images) {
      // Written enlarged by 16.
      const made = await readPicture(file);
      for (const [x, y] of [
        [0, 0],
        [7, 3],
        [15, 15],
      ] as const) {
        const [from, to] = [((y * 16 + 8) * made.width + x * 16 + 8) * 3, ((y + 2) * sheet.width + candidate * 18 + 2 + x) * 3];
        expect([...made.data.subarray(from, from + 3)]).toEqual([...sheet.data.subarray(to, to + 3)]);
      }
    }
    const page = await readFile(join(folder, 'whole', 'training', 'report.html'), 'utf8');
    expect(page).toContain('Samples of the prior');
    expect(page).toContain('<li>red stripes, upright</li>');
    expect(page).toContain('after 9 updates');
    expect(page).toContain('Reconstructions');
  }, 240_000);

  it('makes of accumulated batches what one batch of their size makes', async () => {
    expect(await train('parts', ['--prior-batch', '2', '--accumulate', '3'])).toMatchObject({ code: 0 });
    expect(await train('one', ['--prior-batch', '6'])).toMatchObject({ code: 0 });
    const [parts, one] = [await updatesOf('parts'), await updatesOf('one')];
    expect(parts).toHaveLength(9);
    parts.forEach(({ loss, learningRate }, index) => {
      expect(loss).toBeCloseTo(one[index]?.loss ?? Number.NaN, 3);
      expect(learningRate).toBe(one[index]?.learningRate);
    });
    // Without being told to augment, it is the same pictures that are met: another training than the augmented one.
    expect((await weightsOf('one')).equals(await weightsOf('whole'))).toBe(false);
  }, 240_000);

  it('is asked for the first captions where no prompt is given, on codes too', async () => {
    const codes = join(folder, 'codes.safetensors');
    expect(await train('coded', ['--prior-batch', '4', '--prior-steps', '2', '--sample-every', '1'], { from: codes })).toMatchObject({ code: 0, stderr: '' });
    const { prompts: asked } = JSON.parse((await trainingFile('coded', 'samples.json')).toString('utf8')) as { readonly prompts: readonly string[] };
    expect(asked).toEqual(['red stripes, upright', 'green stripes, lying', 'blue stripes, upright', 'yellow stripes, lying']);
    expect(await train('never', ['--augment'], { from: codes })).toMatchObject({ code: 2, stderr: expect.stringContaining('which cannot be augmented') });
  }, 240_000);

  it.each<[string, readonly string[], number, string]>([
    ['prompts that are never drawn', ['--prompt', 'a'], 2, 'give both'],
    ['an empty prompt', ['--sample-every', '2', '--prompt', ' '], 2, '--prompt is empty'],
    ['a prompt that is too long', ['--sample-every', '2', '--prompt', 'stripes '.repeat(20)], 1, 'the prior will read 12'],
    ['an unknown schedule', ['--schedule', 'steps'], 2, '--schedule steps: use cosine or plateau'],
    ['a window without plateaus', ['--plateau-window', '3'], 2, '--plateau-window is for --schedule plateau'],
    ['a share above all', ['--caption-dropout', '1.5'], 2, '--caption-dropout 1.5'],
    ['no batch at all', ['--accumulate', '0'], 2, '--accumulate 0'],
  ])(
    '%s are refused before anything is trained',
    async (_, options, code, problem) => {
      const refused = await train('refused', options);
      expect({ code: refused.code, named: refused.stderr.includes(problem) }, refused.stderr).toEqual({ code, named: true });
      expect(await readdir(join(folder, 'refused', 'training'))).not.toContain('prior');
    },
    240_000,
  );
});

describe('bits per image token', () => {
  const bundled = fileURLToPath(new URL('../../../../models/scenes', import.meta.url));
  const evaluate = (words: readonly string[], model = join(folder, 'whole')) => runCommand(['eval', '--model', model, '--json', ...words]);

  it('are those of logits summed by hand on the reference backend, for a folder of pictures and for their codes', async () => {
    const model = await openModelFolder(join(folder, 'whole'));
    const [configuration, source, tokenizer] = [
      parsePriorConfiguration(await model.readJson('prior', 'config.json')),
      await model.openWeights('prior'),
      await loadTextTokenizer(model),
    ];
    const weights = new Map<string, HostArray>();
    for (const name of source.types.keys()) weights.set(name, await source.read(name));
    const coded = await readCodedPictures(join(folder, 'codes.safetensors'));
    let bits = 0;
    for (const { captions, codes } of coded.pictures) {
      const { image } = forward(configuration, weights, [...tokenizer.encode(captions[0] ?? '').slice(0, configuration.textLength)], codes);
      for (const [position, code] of codes.entries()) bits -= (logSoftmaxOf(image[position] ?? [])[code] ?? Number.NaN) / Math.LN2;
    }
    const expected = bits / (12 * 16);
    expect(expected).toBeGreaterThan(0.5);
    for (const data of [pictures(), join(folder, 'codes.safetensors')]) {
      const { code, stdout, stderr } = await evaluate(['--data', data]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const found = JSON.parse(stdout) as { readonly pictures: number; readonly bitsPerImageToken: number };
      expect(found.pictures).toBe(12);
      expect(found.bitsPerImageToken).toBeCloseTo(expected, 4);
    }
  }, 240_000);

  it.skipIf(!existsSync(bundled))(
    'stand beside the verdicts on scenes, of which the bundled model is rather certain',
    async () => {
      const scenes = await evaluate(['--count', '2', '--set', 'one object'], bundled);
      expect({ code: scenes.code, stderr: scenes.stderr }).toEqual({ code: 0, stderr: '' });
      const { sets } = JSON.parse(scenes.stdout) as { readonly sets: readonly { readonly bitsPerImageToken: number }[] };
      expect(sets).toHaveLength(1);
      expect(sets[0]?.bitsPerImageToken).toBeGreaterThan(0);
      // Of the 9 bits of its 512 codes.
      expect(sets[0]?.bitsPerImageToken).toBeLessThan(1);
    },
    240_000,
  );

  it('are all that --data asks for', async () => {
    expect(await evaluate(['--data', pictures(), '--count', '3'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--count is for scenes') });
  }, 240_000);
});
