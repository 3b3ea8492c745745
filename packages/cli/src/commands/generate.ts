import { basename, extname, join } from 'node:path';
import type { GeneratedImage, GenerateRequest, SamplingPlugin } from '@tesserae/core';
import { imagePrefix, tiling } from '@tesserae/plugins';
import { askedFor, askingOptions, asksSomething } from '../asking.js';
import { openBackend } from '../backends.js';
import { type Command, type CommandContext, engineOptions, flag, modelFolder, modelOption, numberOption, textOption, UsageError } from '../command.js';
import { decodingOptions, decodingSettingsFrom } from '../decoding-options.js';
import { type LoadedModel, loadModel } from '../model.js';
import { readPicture, writePng } from '../pictures.js';
import { rerankBest, rerankingOptions, scorerFolder } from '../reranking.js';
import { samplingFrom, samplingOptions } from '../sampling.js';
import { picturesSideBySide } from '../terminal/picture.js';

/** Candidates made for each picture that `--rerank` without a number keeps. */
const defaultOversample = 4;
/** Small models make small pictures: enlarged by whole pixels to about this many when written. */
const writtenSize = 256;

function slug(prompt: string): string {
  return (
    prompt
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 60) || 'picture'
  );
}

/** What the files are called: after the sentence, else the class, else the file of features. */
function nameFor(context: CommandContext): string {
  const prompt = context.positionals.join(' ');
  if (prompt.trim() !== '') return slug(prompt);
  const features = textOption(context.options, 'features');
  return slug(features === undefined ? `class ${textOption(context.options, 'class') ?? ''}` : basename(features, extname(features)));
}

async function pluginsFor({ options, configuration }: CommandContext, model: LoadedModel): Promise<SamplingPlugin[]> {
  const configured = configuration.plugins ?? [];
  const plugins: SamplingPlugin[] = [...(typeof configured === 'function' ? configured(model) : configured)];
  if (flag(options, 'rerank') || textOption(options, 'oversample') !== undefined) {
    const oversample = numberOption(options, 'oversample', { minimum: 1, integer: true }) ?? defaultOversample;
    plugins.push(rerankBest(model, oversample, options));
  }
  const prefix = textOption(options, 'prefix');
  if (prefix !== undefined) {
    const { grid, downsampling } = model.imageTokenizer;
    const picture = await readPicture(prefix, { width: grid.columns * downsampling, height: grid.rows * downsampling });
    const rows = numberOption(options, 'prefix-rows', { minimum: 1, integer: true });
    plugins.push(imagePrefix({ picture, ...(rows === undefined ? {} : { rows }) }));
  }
  const canvas = textOption(options, 'canvas');
  if (canvas !== undefined) {
    const [, columns, rows] = /^(\d+)x(\d+)$/.exec(canvas) ?? [];
    if (columns === undefined || rows === undefined) throw new UsageError(`--canvas ${canvas}: give columns and rows of tokens, e.g. 16x8.`);
    plugins.push(tiling({ canvas: { rows: Number(rows), columns: Number(columns) } }));
  }
  return plugins;
}

export const generateCommand: Command = {
  name: 'generate',
  summary: 'Makes pictures from a sentence, or from what else a model is asked by.',
  usage: 'generate "a red circle above a blue star" --model ./my-model [options]',
  options: {
    ...modelOption,
    ...askingOptions,
    out: { type: 'string', short: 'o', value: 'DIR', help: 'where the PNG files go (default: .)' },
    candidates: { type: 'string', short: 'n', value: 'N', help: 'pictures to keep (default 1)' },
    seed: { type: 'string', value: 'N', help: 'same seed, same pictures, on every backend (default: drawn and told)' },
    rerank: { type: 'boolean', help: `make ${defaultOversample} times as many and keep those that fit the sentence best` },
    oversample: { type: 'string', value: 'N', help: '--rerank with N times as many' },
    ...rerankingOptions,
    ...samplingOptions,
    ...decodingOptions,
    prefix: { type: 'string', value: 'FILE', help: 'keep the top of this picture, make the rest' },
    'prefix-rows': { type: 'string', value: 'N', help: 'rows of tokens to keep (default: half)' },
    canvas: { type: 'string', value: 'CxR', help: 'a larger picture, in tokens, e.g. 16x8' },
    truncate: { type: 'boolean', help: 'drop the end of a sentence that is too long' },
    ...engineOptions,
  },
  async run(context) {
    const { options, output, signal } = context;
    if (!asksSomething(context)) throw new UsageError('Say what the picture should show: tesserae generate "a red circle".');
    const candidates = numberOption(options, 'candidates', { minimum: 1, integer: true }) ?? 1;
    const asked = samplingFrom(options, {});
    const seed = numberOption(options, 'seed', { minimum: 0, integer: true });
    const decodingSettings = decodingSettingsFrom(options);
    const backend = await openBackend(context);
    const model = await loadModel(modelFolder(context), { backend, scorerFolder: scorerFolder(options), ...decodingSettings });
    try {
      const question = await askedFor(context, model.prior, signal);
      const request: GenerateRequest = {
        ...question,
        candidates,
        signal,
        truncate: flag(options, 'truncate'),
        ...(seed === undefined ? {} : { seed }),
        ...samplingFrom({}, model.generation),
        ...asked,
      };
      const generator = model.generator(await pluginsFor(context, model));
      const oversample = flag(options, 'rerank') || textOption(options, 'oversample') !== undefined ? (numberOption(options, 'oversample') ?? defaultOversample) : 1;
      const bar = output.progress('generating', candidates * oversample * model.prior.grid.rows, 'rows');
      let rows = 0;
      const stream = generator.generateStream(request);
      try {
        for await (const event of stream) {
          if (event.type === 'row-end') {
            rows += event.candidates.length;
            bar.update(rows);
          }
        }
      } finally {
        bar.end();
      }
      const result = await stream.result;
      for (const { source, message } of result.warnings) output.note(`${source}: ${message}`);
      const folder = textOption(options, 'out') ?? '.';
      const name = nameFor(context);
      const files: string[] = [];
      for (const [index, image] of result.images.entries()) {
        const file = join(folder, `${name}-${result.seed}-${index + 1}.png`);
        await writePng(file, image.picture, Math.max(1, Math.floor(writtenSize / image.picture.width)));
        files.push(file);
      }
      if (output.picturesInTerminal)
        for (const line of picturesSideBySide(
          result.images.slice(0, 4).map((image) => image.picture),
          28,
        ))
          output.print(line);
      result.images.forEach((image: GeneratedImage, index) => {
        output.print(`${files[index]}${image.score === undefined ? '' : `  score ${image.score.toFixed(2)}`}`);
      });
      output.print(`seed ${result.seed}, ${(result.timings.total / 1000).toFixed(2)} s on ${backend.name} ${backend.device}`);
      return {
        ...(question.prompt === undefined ? {} : { prompt: question.prompt }),
        ...(question.classLabel === undefined ? {} : { classLabel: question.classLabel }),
        seed: result.seed,
        backend: { name: backend.name, device: backend.device },
        images: result.images.map((image, index) => ({ file: files[index], candidate: image.candidate, ...(image.score === undefined ? {} : { score: image.score }) })),
        warnings: result.warnings,
        milliseconds: Math.round(result.timings.total),
      };
    } finally {
      model.dispose();
      await backend.dispose();
    }
  },
};
