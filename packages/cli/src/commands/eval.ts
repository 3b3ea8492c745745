import { extname, join } from 'node:path';
import type { Backend, TextTokenizer } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import type { Rate, VerdictRates } from '@tesserae/datasets';
import { openFolder } from '@tesserae/datasets/node';
import { openBackend } from '../backends.js';
import { type Command, type CommandContext, engineOptions, flag, modelFolder, modelOption, numberOption, textOption, UsageError } from '../command.js';
import { decodingOptions, decodingSettingsFrom } from '../decoding-options.js';
import { bitsPerImageToken } from '../evaluation/bits-per-token.js';
import {
  type EvaluatedSet,
  type EvaluateScenesOptions,
  type EvaluationSet,
  evaluateGenerator,
  evaluateImageTokenizer,
  evaluationSets,
  sceneExamples,
} from '../evaluation/evaluate-scenes.js';
import { type LoadedModel, loadImageTokenizer, loadModel } from '../model.js';
import { contactSheet, type PictureSize, writePng } from '../pictures.js';
import { rerankBest, rerankingOptions, scorerFolder } from '../reranking.js';
import { type SamplingSettings, samplingFrom, samplingOptions } from '../sampling.js';
import { codedBy, encodePictures, loadBatch } from '../training/coded-pictures.js';
import { onlyCaptioned } from '../training/stages/stage.js';
import type { CodedPicture } from '../training/train-prior.js';

/** Pictures a line of a contact sheet. */
const sheetColumns = 20;

const columns = ['colour', 'shape', 'size', 'place', 'background', 'allRight'] as const satisfies readonly (keyof VerdictRates)[];

function percent({ rate }: Rate): string {
  return rate === undefined ? '–' : `${(100 * rate).toFixed(1)} %`;
}

async function writeSheet(folder: string, name: string, { set, judged }: EvaluatedSet): Promise<string> {
  const rows = Array.from({ length: Math.ceil(judged.length / sheetColumns) }, (_, row) =>
    judged.slice(row * sheetColumns, (row + 1) * sheetColumns).map(({ picture }) => picture),
  );
  const file = join(folder, `${name}-${set.name.replace(/[^a-z]+/g, '-')}.png`);
  await writePng(file, contactSheet(rows));
  return file;
}

/** How one set is judged, and with which settings of sampling, if any. */
interface Evaluation {
  readonly sampling?: SamplingSettings;
  run(set: EvaluationSet, options: EvaluateScenesOptions): Promise<EvaluatedSet>;
}

/** A model's own size of pictures. */
function pictureSize({ imageTokenizer: { grid, downsampling } }: LoadedModel): PictureSize {
  return { width: grid.columns * downsampling, height: grid.rows * downsampling };
}

/** The text tokenizer without which no caption can be scored. */
function readerOf({ textTokenizer }: LoadedModel): TextTokenizer {
  if (textTokenizer === undefined) throw new UsageError('This model has no text tokenizer: pictures cannot be scored by their captions.');
  return textTokenizer;
}

/** The pictures of a folder in codes, or those of a file of codes; such as have a caption. */
async function codedPictures(source: string, folder: string, model: LoadedModel, { output, signal }: Pick<CommandContext, 'output' | 'signal'>): Promise<readonly CodedPicture[]> {
  if (extname(source) === '.safetensors') return onlyCaptioned((await codedBy(await openModelFolder(folder), source)).pictures, source);
  const size = pictureSize(model);
  const { loaded, skipped } = await loadBatch(await openFolder(source, { signal }), size, signal);
  for (const { file, reason } of skipped.slice(0, 5)) output.note(`skipped ${file}: ${reason}`);
  return encodePictures(model.imageTokenizer, onlyCaptioned(loaded, source), size, { output, signal });
}

/** `eval --data`: how well the prior knows pictures that it is shown. */
async function evaluateData(source: string, folder: string, model: LoadedModel, context: CommandContext) {
  const { output, signal } = context;
  const textTokenizer = readerOf(model);
  const pictures = await codedPictures(source, folder, model, context);
  const bar = output.progress('scoring', pictures.length, 'pictures');
  const bits = await bitsPerImageToken(pictures, { prior: model.prior, textTokenizer, signal, onProgress: (done) => bar.update(done) }).finally(() => bar.end());
  const { rows, columns: across } = model.prior.grid;
  output.print(`${bits.toFixed(3)} bits per image token over ${pictures.length} captioned pictures of ${rows}×${across} tokens`);
  return { data: source, pictures: pictures.length, bitsPerImageToken: bits };
}

type Keep = <T extends { dispose(): void }>(part: T) => T;

async function tokenizerEvaluation(keep: Keep, folder: string, backend: Backend): Promise<Evaluation> {
  const tokenizer = keep(await loadImageTokenizer(await openModelFolder(folder), { backend }));
  return { run: (set, options) => evaluateImageTokenizer(set, tokenizer, options) };
}

async function generatorEvaluation(keep: Keep, folder: string, backend: Backend, { options, output }: CommandContext, oversample: number | undefined): Promise<Evaluation> {
  const model = keep(await loadModel(folder, { backend, scorerFolder: scorerFolder(options), ...decodingSettingsFrom(options) }));
  const textTokenizer = readerOf(model);
  const sampling = samplingFrom(options, model.generation);
  const plugins = oversample === undefined ? [] : [rerankBest(model, oversample, options)];
  const generator = keep(model.generator(plugins));
  return {
    sampling,
    async run(set, common) {
      const evaluated = await evaluateGenerator(set, generator, sampling, common);
      const size = pictureSize(model);
      const scenes = await encodePictures(model.imageTokenizer, sceneExamples(set, common, size.width), size, { output, signal: common.signal });
      return { ...evaluated, bitsPerImageToken: await bitsPerImageToken(scenes, { prior: model.prior, textTokenizer, signal: common.signal }) };
    },
  };
}

export const evalCommand: Command = {
  name: 'eval',
  summary: 'Generates pictures of scenes that the training did not see and judges them by plain image analysis; or scores your own.',
  usage: 'eval --model ./my-model [--count 200] [--rerank 16] [options], or eval --model ./my-model --data ./pictures',
  options: {
    ...modelOption,
    out: { type: 'string', short: 'o', value: 'DIR', help: 'write contact sheets of the pictures here' },
    data: {
      type: 'string',
      value: 'PATH',
      help: 'instead: bits per image token that the prior needs for a folder of captioned pictures, or for codes made of them (tesserae tokenize)',
    },
    count: { type: 'string', short: 'n', value: 'N', help: 'prompts a set (default 200)' },
    seed: { type: 'string', value: 'N', help: 'of prompts and sampling (default 0)' },
    set: { type: 'string', value: 'NAME', help: `only one of: ${evaluationSets.map(({ name }) => name).join('; ')}` },
    rerank: { type: 'string', value: 'N', help: 'make N candidates a prompt and judge the one that fits the sentence best' },
    'tokenizer-only': { type: 'boolean', help: 'judge reconstructions: what the image tokenizer alone loses' },
    ...rerankingOptions,
    ...samplingOptions,
    ...decodingOptions,
    ...engineOptions,
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is one word too many.`);
    const count = numberOption(options, 'count', { minimum: 1, integer: true }) ?? 200;
    const seed = numberOption(options, 'seed', { minimum: 0, integer: true }) ?? 0;
    const oversample = numberOption(options, 'rerank', { minimum: 2, integer: true });
    const wanted = textOption(options, 'set');
    const sets = evaluationSets.filter(({ name }) => wanted === undefined || name === wanted);
    if (sets.length === 0) throw new UsageError(`--set ${wanted}: use ${evaluationSets.map(({ name }) => `"${name}"`).join(', ')}.`);
    const tokenizerOnly = flag(options, 'tokenizer-only');
    const data = textOption(options, 'data');
    const forScenes = ['count', 'set', 'rerank', 'out', 'tokenizer-only'].find((name) => options[name] !== undefined);
    if (data !== undefined && forScenes !== undefined) throw new UsageError(`--${forScenes} is for scenes; --data only scores.`);
    const backend = await openBackend(context);
    const folder = modelFolder(context);
    const parts: { dispose(): void }[] = [];
    const keep = <T extends { dispose(): void }>(part: T): T => {
      parts.push(part);
      return part;
    };
    try {
      if (data !== undefined) return await evaluateData(data, folder, keep(await loadModel(folder, { backend, ...decodingSettingsFrom(options) })), context);
      const evaluate = tokenizerOnly ? await tokenizerEvaluation(keep, folder, backend) : await generatorEvaluation(keep, folder, backend, context, oversample);
      const results: EvaluatedSet[] = [];
      for (const set of sets) {
        const bar = output.progress(set.name, count, 'pictures');
        const common = { count, seed, signal, onProgress: (done: number) => bar.update(done) };
        try {
          results.push(await evaluate.run(set, common));
        } finally {
          bar.end();
        }
      }
      const what = tokenizerOnly ? 'reconstructed' : oversample === undefined ? 'one sample' : `best of ${oversample}`;
      output.print(
        `${`${count} prompts a set, ${what}`.padEnd(34)}${columns.map((column) => column.replace('allRight', 'all right').padStart(11)).join('')}${tokenizerOnly ? '' : 'bits/token'.padStart(12)}`,
      );
      for (const { set, rates, bitsPerImageToken: bits } of results)
        output.print(`${set.name.padEnd(34)}${columns.map((column) => percent(rates[column]).padStart(11)).join('')}${bits === undefined ? '' : bits.toFixed(3).padStart(12)}`);
      const sheetFolder = textOption(options, 'out');
      const sheets: string[] = [];
      if (sheetFolder !== undefined) for (const result of results) sheets.push(await writeSheet(sheetFolder, what.replace(/ /g, '-'), result));
      for (const sheet of sheets) output.print(sheet);
      return {
        count,
        seed,
        what,
        ...(evaluate.sampling === undefined ? {} : { sampling: evaluate.sampling }),
        backend: { name: backend.name, device: backend.device },
        sets: results.map(({ set, rates, judged, bitsPerImageToken: bits }) => ({
          name: set.name,
          rates,
          ...(bits === undefined ? {} : { bitsPerImageToken: bits }),
          wrong: judged
            .filter(({ verdict }) => !verdict.allRight)
            .map(({ prompt, verdict }) => ({
              prompt,
              objects: verdict.found.objects.map(({ colour, shape, size, x, y }) => ({ colour, shape, size, x, y })),
              background: verdict.found.background,
            })),
        })),
        sheets,
      };
    } finally {
      for (const part of parts) part.dispose();
      await backend.dispose();
    }
  },
};
