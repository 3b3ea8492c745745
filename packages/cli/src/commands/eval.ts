import { join } from 'node:path';
import type { Backend } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import type { Rate, VerdictRates } from '@tesserae/datasets';
import { openBackend } from '../backends.js';
import { type Command, engineOptions, flag, modelFolder, modelOption, numberOption, type OptionValues, textOption, UsageError } from '../command.js';
import { type EvaluatedSet, type EvaluateScenesOptions, type EvaluationSet, evaluateGenerator, evaluateImageTokenizer, evaluationSets } from '../evaluation/evaluate-scenes.js';
import { loadImageTokenizer, loadModel } from '../model.js';
import { contactSheet, writePng } from '../pictures.js';
import { priorOptions, priorSettingsFrom } from '../prior-options.js';
import { rerankBest, rerankingOptions, scorerFolder } from '../reranking.js';
import { type SamplingSettings, samplingFrom, samplingOptions } from '../sampling.js';

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

type Keep = <T extends { dispose(): void }>(part: T) => T;

async function tokenizerEvaluation(keep: Keep, folder: string, backend: Backend): Promise<Evaluation> {
  const tokenizer = keep(await loadImageTokenizer(await openModelFolder(folder), { backend }));
  return { run: (set, options) => evaluateImageTokenizer(set, tokenizer, options) };
}

async function generatorEvaluation(keep: Keep, folder: string, backend: Backend, options: OptionValues, oversample: number | undefined): Promise<Evaluation> {
  const model = keep(await loadModel(folder, { backend, scorerFolder: scorerFolder(options), ...priorSettingsFrom(options) }));
  const sampling = samplingFrom(options, model.generation);
  const plugins = oversample === undefined ? [] : [rerankBest(model, oversample, options)];
  const generator = keep(model.generator(plugins));
  return { sampling, run: (set, common) => evaluateGenerator(set, generator, sampling, common) };
}

export const evalCommand: Command = {
  name: 'eval',
  summary: 'Generates pictures of scenes that the training did not see and judges them by plain image analysis.',
  usage: 'eval --model ./my-model [--count 200] [--rerank 16] [options]',
  options: {
    ...modelOption,
    out: { type: 'string', short: 'o', value: 'DIR', help: 'write contact sheets of the pictures here' },
    count: { type: 'string', short: 'n', value: 'N', help: 'prompts a set (default 200)' },
    seed: { type: 'string', value: 'N', help: 'of prompts and sampling (default 0)' },
    set: { type: 'string', value: 'NAME', help: `only one of: ${evaluationSets.map(({ name }) => name).join('; ')}` },
    rerank: { type: 'string', value: 'N', help: 'make N candidates a prompt and judge the one that fits the sentence best' },
    'tokenizer-only': { type: 'boolean', help: 'judge reconstructions: what the image tokenizer alone loses' },
    ...rerankingOptions,
    ...samplingOptions,
    ...priorOptions,
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
    const backend = await openBackend(context);
    const folder = modelFolder(context);
    const parts: { dispose(): void }[] = [];
    const keep = <T extends { dispose(): void }>(part: T): T => {
      parts.push(part);
      return part;
    };
    try {
      const evaluate = tokenizerOnly ? await tokenizerEvaluation(keep, folder, backend) : await generatorEvaluation(keep, folder, backend, options, oversample);
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
      output.print(`${`${count} prompts a set, ${what}`.padEnd(34)}${columns.map((column) => column.replace('allRight', 'all right').padStart(11)).join('')}`);
      for (const { set, rates } of results) output.print(`${set.name.padEnd(34)}${columns.map((column) => percent(rates[column]).padStart(11)).join('')}`);
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
        sets: results.map(({ set, rates, judged }) => ({
          name: set.name,
          rates,
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
