import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../__fixtures__/run-command.js';
import { writeStripes } from '../__fixtures__/stripes.js';
import { encodePng, writePng } from '../pictures.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-tokenizers-'));
  await writeStripes(join(folder, 'pictures'), 12);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tiny = [
  '--stage',
  'tokenizer',
  '--size',
  '8',
  '--downsampling',
  '2',
  '--codebook',
  '16',
  '--hidden',
  '4',
  '--tokenizer-batch',
  '4',
  '--warm-up-steps',
  '4',
  '--refinement-steps',
  '3',
];
const train = (out: string, options: readonly string[], from = 'pictures', signal?: AbortSignal) =>
  runCommand(['train', join(folder, from), '--out', join(folder, out), ...tiny, ...options], signal === undefined ? {} : { signal });

async function metricsOf(out: string): Promise<readonly Readonly<Record<string, number>>[]> {
  const text = await readFile(join(folder, out, 'training', 'image-tokenizer', 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, number>>);
}

describe('--recipe paper', () => {
  it('starts from random weights, tells what its codebook does, and saves its schedules', async () => {
    const options = ['--recipe', 'paper', '--tokenizer-steps', '6', '--preview-every', '2', '--warm-up-steps', '0', '--refinement-steps', '0', '--augment'];
    const { code, stderr } = await train('paper', options);
    expect({ code, schedules: stderr.includes('klWeight 0 → 6.6 in 1 updates') }).toEqual({ code: 0, schedules: true });
    const training = JSON.parse(await readFile(join(folder, 'paper', 'image-tokenizer', 'training.json'), 'utf8')) as Record<string, unknown>;
    expect(training).toMatchObject({ recipe: { augment: true, learningRate: { kind: 'cosine', from: 1e-4 }, klWeight: { to: 6.6 } } });
    const metrics = await metricsOf('paper');
    const updates = metrics.filter(({ loss }) => loss !== undefined);
    const looks = metrics.filter(({ validationLoss }) => validationLoss !== undefined);
    expect(updates).toHaveLength(6);
    for (const line of updates)
      for (const name of ['reconstruction', 'kl', 'elb', 'temperature', 'klWeight', 'usedCodes', 'perplexity']) expect(line[name], name).toBeTypeOf('number');
    expect(looks.map(({ step }) => step)).toEqual([2, 4, 6]);
    for (const line of looks) for (const name of ['psnr', 'kl', 'elb', 'relaxedLoss', 'hardLoss', 'usedCodes', 'perplexity']) expect(line[name], name).toBeTypeOf('number');
    // −ELB = hard loss + KL/12, for codes of 2×2 pixels.
    for (const { elb = 0, hardLoss = 0, kl = 0 } of looks) expect(-elb).toBeCloseTo(hardLoss + kl / 12, 4);
    const strips = (await readdir(join(folder, 'paper', 'training', 'image-tokenizer'))).filter((name) => name.endsWith('.png'));
    expect(strips).toHaveLength(3);
  }, 240_000);
});

describe('a VQ-VAE', () => {
  const options = ['--tokenizer', 'vq-vae', '--tokenizer-steps', '12', '--revive-after', '2'];

  it('goes on after an interruption to the very weights of an uninterrupted training, its codebook’s means included', async () => {
    expect(await train('whole', options)).toMatchObject({ code: 0 });
    const abort = new AbortController();
    const watch = setInterval(() => {
      readFile(join(folder, 'stopped', 'training', 'image-tokenizer', 'metrics.jsonl'), 'utf8').then(
        (text) => text.split('\n').length > 3 && abort.abort(new DOMException('Interrupted.', 'AbortError')),
        () => undefined,
      );
    }, 1);
    const stopped = await train('stopped', options, 'pictures', abort.signal);
    clearInterval(watch);
    expect(stopped.code).toBe(130);
    expect(await train('stopped', [...options, '--resume'])).toMatchObject({ code: 0 });
    const [whole, again] = await Promise.all(['whole', 'stopped'].map((name) => readFile(join(folder, name, 'image-tokenizer', 'model.safetensors'))));
    expect(again?.equals(whole ?? Buffer.alloc(0))).toBe(true);
    expect((await metricsOf('whole'))[0]).toMatchObject({ quantization: expect.any(Number), usedCodes: expect.any(Number), revived: expect.any(Number) });
  }, 240_000);

  it('can be seamless, with codes of length 1', async () => {
    expect(await train('seamless', ['--tokenizer', 'vq-vae-normalised', '--tokenizer-steps', '3', '--seamless'])).toMatchObject({ code: 0 });
    const config = JSON.parse(await readFile(join(folder, 'seamless', 'image-tokenizer', 'config.json'), 'utf8')) as unknown;
    expect(config).toMatchObject({ kind: 'vq-vae', quantizer: 'nearest-normalised', seamless: true });
  }, 240_000);
});

describe('what cannot be trained', () => {
  it.each<[string, readonly string[], string]>([
    ['a recipe that does not exist', ['--recipe', 'secret'], '--recipe secret: use practical or paper.'],
    ['a codebook moved by nothing known', ['--tokenizer', 'vq-vae', '--codebook-update', 'ema'], '--codebook-update ema: use gradient or average.'],
    ['revival where codes come from logits', ['--revive-after', '3'], 'not for dvae'],
    ['a preview every zero updates', ['--preview-every', '0'], '--preview-every 0'],
    ['a code larger than what divides the size', ['--size', '9'], 'divides the size 9'],
  ])('%s is a wrong call', async (_, options, problem) => {
    const { code, stderr } = await train('never', options);
    expect({ code, named: stderr.includes(problem) }, stderr).toEqual({ code: 2, named: true });
  });

  it.each([
    ['dvae', '10', 'hidden: 10 does not divide by 4'],
    ['vq-vae', '10', 'hidden: 10 does not divide by 4'],
  ])('channels that do not fit a %s are named before anything is trained', async (tokenizer, hidden, problem) => {
    const { code, stderr } = await train('never', ['--tokenizer', tokenizer, '--hidden', hidden]);
    expect({ code, named: stderr.includes(problem) }, stderr).toEqual({ code: 1, named: true });
  });
});

describe('a data set of one picture', () => {
  beforeAll(async () => {
    await mkdir(join(folder, 'one'));
    const picture = { width: 24, height: 40, data: Uint8Array.from({ length: 24 * 40 * 3 }, (_, index) => (index * 7) % 256) };
    expect((await encodePng(picture)).length).toBeGreaterThan(100);
    await writePng(join(folder, 'one', 'picture.png'), picture);
  });

  it.each([
    ['dvae', []],
    ['dvae', ['--recipe', 'paper', '--augment', '--warm-up-steps', '2']],
    ['vq-vae', []],
    ['strided-dvae', []],
  ])(
    'trains a %s %j',
    async (tokenizer, options) => {
      const { code, stderr } = await train(`one ${tokenizer} ${options.length}`, ['--tokenizer', tokenizer, '--tokenizer-steps', '2', ...options], 'one');
      expect(code, stderr).toBe(0);
    },
    240_000,
  );
});
