import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from './__fixtures__/run-command.js';
import { writeStripes } from './__fixtures__/stripes.js';
import { elementsOf } from './__fixtures__/well-formed.js';

let folder = '';
const at = (...path: readonly string[]): string => join(folder, ...path);
/** Trainings of a second each: one with a relaxation, one without. */
const models = { dvae: 'dvae', vqgan: 'vqgan' } as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-tokenizer-'));
  await writeStripes(at('pictures'));
  const shape = ['--size', '16', '--codebook', '16', '--hidden', '8', '--downsampling', '4'];
  const steps = ['--warm-up-steps', '8', '--tokenizer-steps', '4', '--refinement-steps', '4', '--tokenizer-batch', '4'];
  // One thread: other tests run beside.
  const options = ['--stage', 'tokenizer', '--threads', '1', '--json', ...shape, ...steps];
  for (const tokenizer of Object.values(models)) {
    const { code, stderr } = await runCommand(['train', at('pictures'), '--tokenizer', tokenizer, '--out', at(tokenizer), ...options]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Headings; those of trainings without how fast they were. */
const headings = (page: string): string[] => Array.from(page.matchAll(/<h[23]>([^<]*)/g), ([, heading = '']) => heading.replace(/: .*/, ''));

describe('the report of a training', () => {
  it('shows reconstructions at every temperature, the worst, the codebook and its use, the curves and the recipe', async () => {
    const page = await readFile(at('dvae', 'training', 'report.html'), 'utf8');
    expect(headings(page)).toEqual([
      'Reconstructions',
      'Worst reconstructions',
      'Use of the codebook',
      'The codebook',
      'Training',
      'image tokenizer warm up',
      'image tokenizer',
      'decoder',
      'Recipe',
    ]);
    // Four updates of four pictures.
    expect(page).toMatch(/<h3>image tokenizer: 16 pictures, [\d.]+ (k )?\/s, [\d.]+ [MG]FLOP\/s/);
    const images = elementsOf(page).filter(({ name }) => name === 'img');
    // Six pictures as original, at three temperatures and as codes; six pairs; the codebook.
    expect(images).toHaveLength(6 * 5 + 6 * 2 + 1);
    expect(images.every(({ attributes: { src = '', alt = '' } }) => src.startsWith('data:image/png;base64,') && alt !== '')).toBe(true);
    expect(images.filter(({ attributes }) => attributes.alt?.includes('temperature 1/16'))).toHaveLength(6);
    expect(page).toContain('&quot;warmUp&quot;');
  });

  it('leaves the temperatures out where there is no relaxation', async () => {
    const page = await readFile(at('vqgan', 'training', 'report.html'), 'utf8');
    expect(page).not.toContain('τ =');
    expect(elementsOf(page).filter(({ name }) => name === 'img')).toHaveLength(6 * 2 + 6 * 2 + 1);
  });

  it('is made again on demand, on other pictures, or on none', async () => {
    const out = at('again.html');
    const { code, stdout } = await runCommand(['report', at('dvae'), '--data', at('pictures'), '--out', out, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ file: out, bytes: (await stat(out)).size, pictures: 12 });
    expect(await readFile(out, 'utf8')).toBe(await readFile(at('dvae', 'training', 'report.html'), 'utf8'));
    await runCommand(['report', '--model', at('vqgan'), '--out', out]);
    expect(headings(await readFile(out, 'utf8'))).toEqual(['The codebook', 'Training', 'image tokenizer', 'Recipe']);
  });
});

describe('tesserae codebook', () => {
  it('counts the codes of pictures, and of the file that tokenize made of them, alike', async () => {
    const counted = await runCommand(['codebook', at('dvae'), '--data', at('pictures'), '--json']);
    const result = JSON.parse(counted.stdout) as {
      counts: number[];
      used: number;
      perplexity: number;
      mostUsed: { code: number; count: number }[];
      leastUsed: { count: number }[];
    };
    expect(result).toMatchObject({ codebookSize: 16, downsampling: 4, pictures: 12 });
    expect(result.counts.reduce((sum, count) => sum + count, 0)).toBe(12 * 16);
    expect(result.used).toBe(result.counts.filter((count) => count > 0).length);
    const shares = result.counts.filter((count) => count > 0).map((count) => count / 192);
    expect(result.perplexity).toBeCloseTo(Math.exp(-shares.reduce((sum, share) => sum + share * Math.log(share), 0)), 6);
    expect(result.mostUsed[0]?.count).toBe(Math.max(...result.counts));
    expect(result.leastUsed[0]?.count).toBe(Math.min(...result.counts.filter((count) => count > 0)));

    const codes = at('codes.safetensors');
    await runCommand(['tokenize', at('pictures'), '--model', at('dvae'), '--out', codes]);
    const fromCodes = await runCommand(['codebook', '--model', at('dvae'), '--data', codes, '--json']);
    expect((JSON.parse(fromCodes.stdout) as typeof result).counts).toEqual(result.counts);
    const foreign = await runCommand(['codebook', at('vqgan'), '--data', codes]);
    expect(foreign).toMatchObject({ code: 1, stderr: expect.stringContaining('another encoder') });
  });

  it('writes the codebook as a picture, and draws it in a terminal', async () => {
    const file = at('codebook.png');
    const { code, stdout } = await runCommand(['codebook', at('dvae'), '--out', file], { terminal: true });
    expect(code).toBe(0);
    expect(stdout).toContain('16 codes of 4×4 pixels; of the pictures that training held back');
    expect(stdout).toContain('▀');
    // Four codes of 4 pixels a row, a line of 1 around each, all four times as large.
    expect(await sharp(file).metadata()).toMatchObject({ width: 4 * 21, height: 4 * 21 });
    expect((await runCommand(['codebook', at('dvae')])).stdout).not.toContain('▀');
  });

  it.each<[string, () => string[], number, string]>([
    ['a model that is not there', () => ['codebook', at('nowhere')], 1, 'nowhere'],
    ['a model named twice', () => ['codebook', at('dvae'), '--model', 'other'], 2, 'once'],
    ['two models', () => ['codebook', at('dvae'), at('vqgan')], 2, 'One model'],
    ['pictures that are not there', () => ['codebook', at('dvae'), '--data', at('nothing')], 1, 'nothing'],
    ['a size between codes', () => ['codebook', at('dvae'), '--data', at('pictures'), '--size', '33x16'], 2, '32x16'],
  ])('refuses %s', async (_, words, code, problem) => {
    const refused = await runCommand(words());
    expect(refused).toMatchObject({ code, stderr: expect.stringContaining(problem) });
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('pictures of any size', () => {
  const reconstruct = async (model: string, ...words: string[]): Promise<{ file: string; pictures: { width: number; height: number; codes: number[] }[] }> => {
    const { code, stdout, stderr } = await runCommand(['reconstruct', ...words, '--model', at(model), '--out', at('reconstructed'), '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as Awaited<ReturnType<typeof reconstruct>>;
  };
  const plain = async (name: string, width: number, height: number): Promise<string> => {
    await sharp({ create: { width, height, channels: 3, background: '#a04030' } }).toFile(at(name));
    return at(name);
  };

  it.each([
    [models.dvae, 512, 320],
    [models.vqgan, 96, 56],
  ] as const)('are reconstructed by a %s as they are: rectangles, large ones (%i×%i), several at once', async (model, width, height) => {
    const { file, pictures } = await reconstruct(model, at('pictures', 'picture 1.png'), await plain('large.png', width, height));
    expect(pictures.map((picture) => [picture.width, picture.height, picture.codes.length])).toEqual([
      [40, 24, 10 * 6],
      [width, height, (width / 4) * (height / 4)],
    ]);
    // Originals above, reconstructions below, cells as large as the largest; small ones enlarged.
    const scale = Math.max(1, Math.floor(256 / width));
    expect(await sharp(file).metadata()).toMatchObject({ width: (2 * (width + 2) + 2) * scale, height: (2 * (height + 2) + 2) * scale });
  });

  it('lose an edge that fills no code, or are resized when asked to', async () => {
    const odd = await plain('odd.png', 43, 30);
    expect((await reconstruct('dvae', odd)).pictures).toMatchObject([{ width: 40, height: 28 }]);
    expect((await reconstruct('dvae', odd, '--size', '24x8')).pictures).toMatchObject([{ width: 24, height: 8 }]);
    const tiny = await runCommand(['reconstruct', await plain('tiny.png', 3, 30), '--model', at('dvae')]);
    expect(tiny).toMatchObject({ code: 1, stderr: expect.stringContaining('3×30') });
  });

  it('are tokenized as rectangles, which a prior is trained on', async () => {
    const codes = at('wide.safetensors');
    const { stdout } = await runCommand(['tokenize', at('pictures'), '--model', at('dvae'), '--out', codes, '--size', '24x12', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ pictures: 12, rows: 3, columns: 6 });
    const trained = await runCommand([
      'train',
      codes,
      '--stage',
      'prior',
      '--out',
      at('dvae'),
      '--width',
      '16',
      '--layers',
      '1',
      '--heads',
      '2',
      '--vocabulary',
      '280',
      '--prior-steps',
      '4',
      '--json',
    ]);
    expect({ code: trained.code, stderr: trained.stderr }).toEqual({ code: 0, stderr: '' });
    const made = await runCommand(['generate', 'red stripes', '--model', at('dvae'), '--out', at('made'), '--seed', '1']);
    expect(made.code).toBe(0);
    const [file = ''] = await readdir(at('made'));
    const { width = 0, height = 1 } = await sharp(at('made', file)).metadata();
    expect(width / height).toBe(2);
  });
});
