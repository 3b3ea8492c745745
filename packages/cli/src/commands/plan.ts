import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { type OptimizerOptions, TesseraeError } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import { type ImageTokenizerConfiguration, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { type PriorConfiguration, parsePriorConfiguration } from '@tesserae/transformer';
import { type Command, type CommandContext, flag, modelOption, numberOption, type OptionSpec, quantityOption, textOption, UsageError } from '../command.js';
import type { Machine } from '../planning/machine.js';
import { planImageTokenizerUse } from '../planning/plan-image-tokenizer.js';
import { planPriorUse } from '../planning/plan-prior.js';
import { imageTokenizerLines, priorLines } from '../planning/plan-tables.js';
import { presets } from '../planning/presets.js';
import { imageTokenizerRecipe, priorRecipe } from '../training/recipes.js';
import { imageTokenizerOptions, planImageTokenizer } from '../training/stages/image-tokenizer-stage.js';
import { planPrior, priorOptions } from '../training/stages/prior-stage.js';
import { wholeOption } from '../training/stages/stage.js';

/** What is planned, wherever it was described. */
interface Subject {
  readonly title: string;
  readonly prior?: PriorConfiguration;
  readonly imageTokenizer?: ImageTokenizerConfiguration;
  readonly optimizer: OptimizerOptions;
  readonly batch: number;
  readonly updates: number;
}

/** Those of `train` that say a model's size. */
const sizeNames = ['width', 'layers', 'heads', 'attention', 'text-length', 'vocabulary', 'downsampling', 'codebook', 'hidden', 'blocks'] as const;
const trainOptions = { ...priorOptions, ...imageTokenizerOptions };
const sizeOptions: Readonly<Record<string, OptionSpec>> = {
  size: { type: 'string', value: 'PIXELS', help: 'width and height of the pictures (default 64)' },
  ...Object.fromEntries(sizeNames.flatMap((name) => (trainOptions[name] === undefined ? [] : [[name, trainOptions[name]] as const]))),
};

/** The recipe of `train` where nothing else is said of the optimiser. */
function trainsRecipe(options: CommandContext['options']) {
  const { choices, vocabularySize } = planPrior(options);
  const size = wholeOption(options, 'size', 64, 8);
  const tokenizer = imageTokenizerRecipe(planImageTokenizer(options, { size, seed: 0 }).choices).configuration;
  const side = size / wholeOption(options, 'downsampling', 8, 2);
  const recipe = priorRecipe({ ...choices, grid: { rows: side, columns: side }, codebookSize: tokenizer.codebookSize, textVocabularySize: vocabularySize, seed: 0 });
  return { recipe, tokenizer };
}

async function readSubject({ positionals, options, configuration }: CommandContext): Promise<Subject> {
  const [named, ...more] = positionals;
  const [preset, asked] = [textOption(options, 'preset'), named ?? textOption(options, 'model')];
  const sized = Object.keys(sizeOptions).filter((name) => options[name] !== undefined);
  if (more.length > 0) throw new UsageError(`One model at a time: what is ${more.join(' ')}?`);
  if ([preset !== undefined, asked !== undefined, sized.length > 0].filter(Boolean).length > 1)
    throw new UsageError(`Plan one thing: a model, a --preset, or sizes (${sized.length > 0 ? `--${sized.join(', --')}` : '--width, --layers, …'}).`);
  const { recipe, tokenizer } = trainsRecipe(options);
  const { batch, steps: updates } = recipe;
  if (preset !== undefined) {
    const known = Object.hasOwn(presets, preset) ? presets[preset] : undefined;
    if (known === undefined) throw new UsageError(`--preset ${preset}: use ${Object.keys(presets).join(', ')}.`);
    return { batch, updates, ...known };
  }
  // Sizes on the command line describe a model that is not there yet; without them the configured model is meant.
  const folder = asked ?? (sized.length === 0 ? configuration.model : undefined);
  if (folder === undefined)
    return { title: 'what train makes of these options', prior: parsePriorConfiguration(recipe.configuration), imageTokenizer: tokenizer, optimizer: recipe, batch, updates };
  if (extname(folder) === '.json') {
    let source: unknown;
    try {
      source = JSON.parse(await readFile(folder, 'utf8'));
    } catch (cause) {
      throw new TesseraeError('file-corrupt', `${folder} could not be read as JSON.`, { remedy: "Name a prior's config.json, or a model folder.", cause });
    }
    return { title: folder, prior: parsePriorConfiguration(source), optimizer: recipe, batch, updates };
  }
  const model = await openModelFolder(folder, { verify: false });
  return {
    title: folder,
    ...(model.index.parts.prior === undefined ? {} : { prior: parsePriorConfiguration(await model.readJson('prior', 'config.json')) }),
    ...(model.index.parts.imageTokenizer === undefined ? {} : { imageTokenizer: parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json')) }),
    optimizer: recipe,
    batch,
    updates,
  };
}

function optimizerOf(options: CommandContext['options'], { muon, ...rest }: OptimizerOptions): OptimizerOptions {
  const name = textOption(options, 'optimizer');
  if (name === undefined) return { ...rest, ...(muon === undefined ? {} : { muon }) };
  if (name === 'adamw') return rest;
  if (name === 'muon') return { ...rest, muon: muon ?? { under: 'blocks' } };
  throw new UsageError(`--optimizer ${name}: use adamw or muon.`);
}

export const planCommand: Command = {
  name: 'plan',
  summary: 'Tells what a model of any size costs before there is one: parameters, FLOPs, memory, time, dollars.',
  usage: 'plan [model folder | config.json | --preset dalle-12b | --width 512 --layers 8 …] [--flops 200G --bandwidth 25G]',
  options: {
    model: { ...modelOption.model, help: "model folder (default: the configuration's, unless sizes are given)" },
    preset: { type: 'string', value: 'NAME', help: `a published model: ${Object.keys(presets).join(', ')}` },
    ...sizeOptions,
    batch: { type: 'string', value: 'N', help: 'pictures an update (default 32, or as published)' },
    updates: { type: 'string', value: 'N', help: 'updates of the training (default 4000, or as published)' },
    optimizer: { type: 'string', value: 'NAME', help: "adamw, or muon for the blocks' matrices (default: as train does, or as published)" },
    candidates: { type: 'string', value: 'N', help: 'pictures made at once (default 16)' },
    guided: { type: 'boolean', help: 'with guidance: every token is asked for twice' },
    flops: { type: 'string', value: 'N', help: 'FLOPs a second that the machine reaches, e.g. 200e9 or 200G: gives times' },
    bandwidth: { type: 'string', value: 'N', help: 'bytes a second that it reads from memory, e.g. 25G' },
    'dollars-per-hour': { type: 'string', value: 'X', help: 'what it costs' },
  },
  async run(context) {
    const { options, output } = context;
    const subject = await readSubject(context);
    const { title } = subject;
    const [flops, bandwidth, dollarsPerHour] = [quantityOption(options, 'flops'), quantityOption(options, 'bandwidth'), numberOption(options, 'dollars-per-hour', { minimum: 0 })];
    const machine: Machine = {
      ...(flops === undefined ? {} : { flops }),
      ...(bandwidth === undefined ? {} : { bandwidth }),
      ...(dollarsPerHour === undefined ? {} : { dollarsPerHour }),
    };
    const choices = {
      optimizer: optimizerOf(options, subject.optimizer),
      batch: wholeOption(options, 'batch', subject.batch),
      updates: wholeOption(options, 'updates', subject.updates),
      candidates: wholeOption(options, 'candidates', 16),
      guided: flag(options, 'guided'),
    };
    const imageTokenizer = subject.imageTokenizer === undefined ? undefined : planImageTokenizerUse(subject.imageTokenizer);
    const prior = subject.prior === undefined ? undefined : planPriorUse({ configuration: subject.prior, pictureFlops: imageTokenizer?.decodeFlops ?? 0, ...choices }, machine);
    const sections = [
      [title],
      ...(prior === undefined ? [] : [priorLines(prior)]),
      ...(imageTokenizer === undefined ? [] : [imageTokenizerLines(imageTokenizer)]),
      ...(prior === undefined || prior.decoding.speeds.length > 0 ? [] : [['With --flops, --bandwidth and --dollars-per-hour it tells times and costs.']]),
    ];
    output.print(sections.map((lines) => lines.join('\n')).join('\n\n'));
    return { title, prior, imageTokenizer, machine };
  },
};
