import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { float32Array, type HostArray } from '@tesserae/core';
import { readSafetensorsFile, writeSafetensorsFile } from '@tesserae/core/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from './__fixtures__/run-command.js';
import { writeStripes } from './__fixtures__/stripes.js';
import { dvaeRelatives } from './training/dvae-relative-recipes.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A training that takes a second: tiny pictures, tiny model. */
const tinyTraining = [
  '--size',
  '16',
  '--codebook',
  '16',
  '--hidden',
  '8',
  '--warm-up-steps',
  '10',
  '--tokenizer-steps',
  '12',
  '--refinement-steps',
  '8',
  '--tokenizer-batch',
  '4',
  '--width',
  '16',
  '--layers',
  '2',
  '--heads',
  '2',
  '--text-length',
  '12',
  '--vocabulary',
  '280',
  '--prior-steps',
  '12',
  '--prior-batch',
  '4',
  '--bpe-dropout',
  '0.2',
];

describe('a wrong call', () => {
  it.each<[string, string[], string]>([
    ['an unknown command', ['paint'], "there is no command 'paint'"],
    ['an unknown option', ['generate', 'a cat', '--colour'], '--colour'],
    ['an empty prompt', ['generate', '  '], 'Say what the picture should show'],
    ['a number out of range', ['generate', 'a cat', '--top-p', '1.5'], '--top-p 1.5'],
    ['a precision that there is not', ['generate', 'a cat', '--dtype', 'int3'], '--dtype int3'],
    ['an unknown tokenizer', ['train', 'x', '--out', 'y', '--tokenizer', 'jpeg'], '--tokenizer jpeg'],
    ['an unknown stage', ['train', 'x', '--out', 'y', '--stage', 'third'], '--stage third'],
    ['no output folder', ['train', 'x'], '--out'],
    ['an unknown split', ['data', 'scenes', 'x', '--split', 'test'], '--split test'],
  ])('%s ends with 2, one line and a hint at --help', async (_, words, problem) => {
    const { code, stdout, stderr } = await runCommand(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(problem);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('a failure ends with 1 and one line that names the thing and the remedy', () => {
  const oneLine = (stderr: string): void => {
    expect(
      stderr
        .trim()
        .split('\n')
        .filter((line) => line.startsWith('tesserae:')),
    ).toHaveLength(1);
    expect(stderr).not.toMatch(/\n\s+at /);
  };

  it('a model folder that is not there', async () => {
    const { code, stderr } = await runCommand(['generate', 'a cat', '--model', join(folder, 'nowhere')]);
    expect(code).toBe(1);
    expect(stderr).toContain('nowhere');
    oneLine(stderr);
  });

  it('an unknown backend, also from the environment', async () => {
    const unknown = await runCommand(['generate', 'a cat', '--backend', 'quantum']);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("no backend 'quantum'");
    oneLine(unknown.stderr);
    const variable = await runCommand(['generate', 'a cat'], { environment: { TESSERAE_BACKEND: 'quantum' } });
    expect(variable.stderr).toContain("no backend 'quantum'");
  });

  it('a device the backend does not have', async () => {
    const { code, stderr } = await runCommand(['generate', 'a cat', '--backend', 'onnx', '--device', 'toaster']);
    expect(code).toBe(2);
    expect(stderr).toContain('--device toaster');
  });

  it('a folder without pictures, and one whose pictures are none', async () => {
    const empty = join(folder, 'empty');
    await mkdir(empty);
    const nothing = await runCommand(['train', empty, '--out', join(folder, 'never')]);
    expect(nothing.code).toBe(1);
    expect(nothing.stderr).toContain('holds no pictures');
    await writeFile(join(empty, 'broken.png'), 'not a picture');
    const broken = await runCommand(['train', empty, '--out', join(folder, 'never')]);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain('None of the 1 pictures');
    oneLine(broken.stderr);
    expect((await readdir(folder)).includes('never')).toBe(false);
  });

  it('a safetensors file whose header lies', async () => {
    const file = join(folder, 'liar.safetensors');
    await writeFile(file, Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]), Buffer.from('{}')]));
    const { code, stderr } = await runCommand(['inspect', file]);
    expect(code).toBe(1);
    expect(stderr).toContain('liar.safetensors');
    oneLine(stderr);
  });

  it('tells where it happened only with --verbose', async () => {
    const { stderr } = await runCommand(['inspect', join(folder, 'nowhere'), '--verbose']);
    expect(stderr).toMatch(/\n\s+at /);
  });
});

describe('from own pictures to a picture', () => {
  const model = (): string => join(folder, 'model');
  const pictures = (): string => join(folder, 'pictures');

  it('trains both stages, skips what is broken and says so', async () => {
    await writeStripes(pictures());
    await writeFile(join(pictures(), 'torn.png'), 'PNG');
    const { code, stdout, stderr } = await runCommand(['train', pictures(), '--out', model(), '--json', ...tinyTraining]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      pictures: 12,
      skipped: [{ file: 'torn.png' }],
      seed: 0,
      imageTokenizer: { psnr: expect.any(Number) },
      prior: { validationImageLoss: expect.any(Number) },
    });
    expect(await readdir(join(model(), 'training', 'prior'))).toEqual(expect.arrayContaining(['curves.svg', 'metrics.jsonl']));
    expect(await readdir(join(model(), 'training', 'prior'))).not.toContain('checkpoint.safetensors');
  });

  it('trains the same prior on codes that were made once', async () => {
    const [codes, again] = [join(folder, 'codes.safetensors'), join(folder, 'on-codes')];
    const tokenized = await runCommand(['tokenize', pictures(), '--model', model(), '--out', codes, '--json']);
    expect(JSON.parse(tokenized.stdout)).toMatchObject({ pictures: 12, skipped: [{ file: 'torn.png' }], codebookSize: 16 });
    await cp(join(model(), 'image-tokenizer'), join(again, 'image-tokenizer'), { recursive: true });
    const index = JSON.parse(await readFile(join(model(), 'model_index.json'), 'utf8')) as { parts: Record<string, unknown> };
    await writeFile(join(again, 'model_index.json'), JSON.stringify({ ...index, parts: { imageTokenizer: index.parts.imageTokenizer } }));
    const { code, stderr } = await runCommand(['train', codes, '--stage', 'prior', '--out', again, '--json', ...tinyTraining]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const weights = (of: string): Promise<Buffer> => readFile(join(of, 'prior', 'model.safetensors'));
    expect((await weights(again)).equals(await weights(model()))).toBe(true);

    const both = await runCommand(['train', codes, '--out', again]);
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('--stage prior') });
    // Codes belong to the encoder that made them: another decoder may come, another encoder not.
    const file = join(again, 'image-tokenizer', 'model.safetensors');
    const { arrays } = await readSafetensorsFile(file);
    const movedUnder = (place: string): Map<string, HostArray> =>
      new Map(
        Array.from(arrays, ([name, array]) => [
          name,
          name.startsWith(place)
            ? float32Array(
                array.shape,
                Float32Array.from(array.data, (value) => value + 1),
              )
            : array,
        ]),
      );
    await writeFile(join(again, 'model_index.json'), JSON.stringify({ ...index, parts: { imageTokenizer: { folder: 'image-tokenizer', sha256: {} } } }));
    await writeSafetensorsFile(file, movedUnder('decoder.'));
    const redecoded = await runCommand(['train', codes, '--stage', 'prior', '--out', again, '--json', ...tinyTraining]);
    expect({ code: redecoded.code, stderr: redecoded.stderr }).toEqual({ code: 0, stderr: '' });
    await writeSafetensorsFile(file, movedUnder('encoder.'));
    const foreign = await runCommand(['train', codes, '--stage', 'prior', '--out', again, ...tinyTraining]);
    expect(foreign).toMatchObject({ code: 1, stderr: expect.stringContaining('another encoder') });
  });

  it.each(dvaeRelatives.filter((name) => !name.endsWith('-normalised')))('trains %s in place of the dVAE, and makes pictures with it', async (name) => {
    const out = join(folder, name);
    const { code, stdout, stderr } = await runCommand(['train', pictures(), '--tokenizer', name, '--out', out, '--json', ...tinyTraining]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ imageTokenizer: { psnr: expect.any(Number), usedCodes: expect.any(Number) } });
    const config = JSON.parse(await readFile(join(out, 'image-tokenizer', 'config.json'), 'utf8')) as { kind: string };
    expect(name.startsWith(config.kind)).toBe(true);
    expect(await runCommand(['reconstruct', join(pictures(), 'picture 1.png'), '--model', out, '--out', out])).toMatchObject({ code: 0 });
    expect(await runCommand(['generate', 'red stripes', '--model', out, '--out', out, '--seed', '1'])).toMatchObject({ code: 0 });
  });

  it('leaves the relaxed objective out when it has no updates', async () => {
    const out = join(folder, 'unrelaxed');
    const options = tinyTraining.map((value, index) => (tinyTraining[index - 1] === '--tokenizer-steps' ? '0' : value));
    const { code, stdout, stderr } = await runCommand(['train', pictures(), '--out', out, '--json', '--stage', 'tokenizer', ...options]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ imageTokenizer: { psnr: expect.any(Number), usedCodes: expect.any(Number) } });
    expect((await readdir(join(out, 'training'))).sort()).toEqual(['command.json', 'decoder', 'image-tokenizer-warm-up', 'report.html']);
    expect((await runCommand(['reconstruct', join(pictures(), 'picture 1.png'), '--model', out, '--out', out])).code).toBe(0);
  });

  it('generates the same bytes from the same seed, and echoes the seed', async () => {
    const made: Buffer[] = [];
    for (const out of ['one', 'two']) {
      const { code, stdout } = await runCommand(['generate', 'red stripes, upright', '--model', model(), '--out', join(folder, out), '--seed', '5', '--json']);
      expect(code).toBe(0);
      const result = JSON.parse(stdout) as { seed: number; images: { file: string }[] };
      expect(result.seed).toBe(5);
      made.push(await readFile(result.images[0]?.file ?? ''));
    }
    expect(made[0]?.equals(made[1] ?? Buffer.alloc(0))).toBe(true);
  });

  it('reranks, keeps a prefix and tiles', async () => {
    const picture = join(pictures(), 'picture 0.png');
    const { code, stdout } = await runCommand([
      'generate',
      'blue stripes',
      '--model',
      model(),
      '--out',
      join(folder, 'more'),
      '--seed',
      '1',
      '--oversample',
      '3',
      '--prefix',
      picture,
      '--canvas',
      '3x2',
      '--json',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ images: [{ score: expect.any(Number) }] });
  });

  it('trains a scorer that --rerank then judges by, unless told otherwise', async () => {
    const out = join(folder, 'judged');
    await cp(model(), out, { recursive: true });
    const generate = (...options: string[]) =>
      runCommand(['generate', 'red stripes, upright', '--model', out, '--out', join(folder, 'judgements'), '--seed', '3', '--oversample', '3', '--json', ...options]);
    const scoreOf = ({ stdout }: { readonly stdout: string }): number => (JSON.parse(stdout) as { images: { score: number }[] }).images[0]?.score ?? Number.NaN;
    const byEvidence = scoreOf(await generate());
    expect(await generate('--scorer', 'model')).toMatchObject({ code: 2, stderr: expect.stringContaining('--stage scorer') });

    const small = ['--stage', 'scorer', '--text-length', '12', '--scorer-width', '16', '--scorer-layers', '1', '--scorer-steps', '6', '--scorer-batch', '4', '--scorer-heads', '2'];
    const wrongSize = await runCommand(['train', pictures(), '--out', out, '--size', '32', ...small]);
    expect(wrongSize).toMatchObject({ code: 2, stderr: expect.stringContaining('--size 16') });
    const { code, stdout, stderr } = await runCommand(['train', pictures(), '--out', out, '--size', '16', '--json', ...small]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ scorer: { validationCaptionLoss: expect.any(Number) } });

    // What a captioner finds of one picture is a log-probability; the evidence is as it was.
    const byScorer = scoreOf(await generate());
    expect(byScorer).toBeLessThan(0);
    expect(byScorer).not.toBe(byEvidence);
    expect(scoreOf(await generate('--scorer', 'evidence'))).toBe(byEvidence);
    expect(await generate('--scorer', 'taste')).toMatchObject({ code: 2, stderr: expect.stringContaining('--scorer taste: use model or evidence') });
  });

  it('takes model and plugins from tesserae.config.mjs', async () => {
    const configuration = `export default {
      model: ${JSON.stringify(model())},
      plugins: ({ prior }) => [
        { name: 'told', specificationVersion: 'v1', request: (request, call) => (call.warn(\`a prior of \${prior.codebookSize} codes\`), request) },
      ],
    };`;
    await writeFile(join(folder, 'tesserae.config.mjs'), configuration);
    const { code, stdout } = await runCommand(['generate', 'red stripes', '--out', folder, '--seed', '5', '--json'], { workingFolder: folder });
    await rm(join(folder, 'tesserae.config.mjs'));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ warnings: [{ source: 'told', message: 'a prior of 16 codes' }] });
  });

  it('refuses a prompt longer than the context, and drops its end when asked to', async () => {
    const long = 'stripes '.repeat(40);
    const refused = await runCommand(['generate', long, '--model', model(), '--out', folder]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('tokens long');
    const cut = await runCommand(['generate', long, '--model', model(), '--out', folder, '--truncate', '--seed', '1']);
    expect(cut.code).toBe(0);
    expect(cut.stderr).toContain('were dropped');
  });

  it('reconstructs and inspects', async () => {
    const again = await runCommand(['reconstruct', join(pictures(), 'picture 1.png'), '--model', model(), '--out', folder]);
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('PSNR');
    const inspected = await runCommand(['inspect', model(), '--json']);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ files: expect.arrayContaining([expect.objectContaining({ part: 'prior' })]) });
  });

  it('finds a damaged weight file by its hash', async () => {
    const copy = join(folder, 'damaged');
    const file = join(copy, 'prior', 'model.safetensors');
    const { cp } = await import('node:fs/promises');
    await cp(model(), copy, { recursive: true });
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    await writeFile(file, bytes);
    const { code, stderr } = await runCommand(['generate', 'red stripes', '--model', copy, '--out', folder]);
    expect(code).toBe(1);
    expect(stderr).toContain('hash differs');
  });

  it('goes on after an interruption to the very weights of an uninterrupted training', async () => {
    const out = join(folder, 'interrupted');
    const abort = new AbortController();
    const watch = setInterval(() => {
      // Somewhere in the middle of stage two.
      readFile(join(out, 'training', 'prior', 'metrics.jsonl'), 'utf8').then(
        (text) => text.split('\n').length > 3 && abort.abort(new DOMException('Interrupted.', 'AbortError')),
        () => undefined,
      );
    }, 1);
    const stopped = await runCommand(['train', pictures(), '--out', out, ...tinyTraining], { signal: abort.signal });
    clearInterval(watch);
    expect(stopped.code).toBe(130);
    const careless = await runCommand(['train', pictures(), '--out', out, '--stage', 'prior', ...tinyTraining]);
    expect(careless.code).toBe(1);
    expect(careless.stderr).toContain('--resume');
    const resumed = await runCommand(['train', pictures(), '--out', out, '--resume', ...tinyTraining]);
    expect(resumed.code).toBe(0);
    for (const part of ['image-tokenizer', 'prior']) {
      const [whole, again] = await Promise.all([model(), out].map((name) => readFile(join(name, part, 'model.safetensors'))));
      expect(again?.equals(whole ?? Buffer.alloc(0))).toBe(true);
    }
    const steps = (await readFile(join(out, 'training', 'prior', 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { step: number; loss?: number });
    expect(steps.filter(({ loss }) => loss !== undefined).map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
  });
});
