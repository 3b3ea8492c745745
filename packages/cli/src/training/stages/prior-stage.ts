import { type Grid, type ImageTokenizer, type Picture, TesseraeError, type TextTokenizer } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import type { LoadedImages } from '@tesserae/datasets/node';
import { createBytePairTokenizer, type PriorLossOptions, parsePriorConfiguration, trainBytePairModel } from '@tesserae/transformer';
import { flag, numberOption, type OptionSpec, type OptionValues, textOption, textsOption, UsageError } from '../../command.js';
import { loadImageTokenizer } from '../../model.js';
import { codedBy, encodePictures } from '../coded-pictures.js';
import { type PriorChoices, priorRecipe } from '../recipes.js';
import type { WantedSamples } from '../sample-pictures.js';
import { type CodedPicture, trainPrior } from '../train-prior.js';
import { captionedPictures, type Figures, onlyCaptioned, printFigures, rateOption, type StageContext, wholeOption } from './stage.js';
import { writeTrainingReport } from './training-report.js';

export const priorOptions: Readonly<Record<string, OptionSpec>> = {
  width: { type: 'string', value: 'N', help: 'width of the prior (default 256)' },
  layers: { type: 'string', value: 'N', help: 'its layers (default 6)' },
  heads: { type: 'string', value: 'N', help: 'its attention heads (default 8)' },
  attention: { type: 'string', value: 'NAME', help: 'full (default) or paper' },
  'text-length': { type: 'string', value: 'N', help: 'text tokens it reads (default 32)' },
  vocabulary: { type: 'string', value: 'N', help: 'text tokens it knows (default 1024)' },
  'bpe-dropout': {
    type: 'string',
    value: 'X',
    help: "how often merges of the captions' tokens are left out, against learning few spellings by heart (default 0; the paper's 0.1)",
  },
  'prior-steps': { type: 'string', value: 'N', help: 'updates of stage two (default 4000)' },
  'prior-batch': { type: 'string', value: 'N', help: 'pictures an update (default 32)' },
  accumulate: { type: 'string', value: 'N', help: 'make every update of the prior the mean of N such batches: N times the pictures in the memory of one (default 1)' },
  recompute: { type: 'string', value: 'NAME', help: 'none (default); cheap: a tenth more time, less memory; layers: a quarter more time, far less memory' },
  'prior-rate': { type: 'string', value: 'X', help: 'highest learning rate (default 5e-3)' },
  schedule: {
    type: 'string',
    value: 'NAME',
    help: 'how that rate falls: cosine (default), or plateau: halved when the training loss stops falling, five times at most, as the paper does',
  },
  'plateau-window': { type: 'string', value: 'N', help: 'updates whose mean loss must be lower than the lowest before (default a twentieth of them)' },
  'caption-dropout': { type: 'string', value: 'X', help: 'share of captions that are left out, so that the prior can be guided away from none (default 0.1; 0 for no guidance)' },
  'sample-every': { type: 'string', value: 'N', help: 'draw pictures by the prior every N updates: training/prior/samples-….png, and in report.html' },
  prompt: { type: 'string', value: 'TEXT', multiple: true, help: 'what they show, several times for several rows (default: captions of the first pictures)' },
};

/** Rows of a sheet of samples where nobody says what to show. */
const defaultPrompts = 4;

/** What the options say of stage two; the rest comes from the image tokenizer and the captions. */
export interface PriorPlan {
  readonly vocabularySize: number;
  /** No part of the recipe: the weights are the same. */
  readonly recompute: NonNullable<PriorLossOptions['recompute']>;
  readonly choices: Omit<PriorChoices, 'grid' | 'codebookSize' | 'textVocabularySize' | 'seed'>;
  /** Pictures drawn on the way; without prompts, of the first captions. */
  readonly samples?: WantedSamples;
}

const schedules = ['cosine', 'plateau'] as const;

function samplesOf(options: OptionValues): WantedSamples | undefined {
  const every = numberOption(options, 'sample-every', { minimum: 1, integer: true });
  const prompts = textsOption(options, 'prompt');
  if (every === undefined && prompts.length > 0) throw new UsageError('--prompt says what to draw, --sample-every N how often: give both.');
  if (prompts.some((prompt) => prompt.trim() === '')) throw new UsageError('--prompt is empty: say what the pictures should show.');
  return every === undefined ? undefined : { every, prompts };
}

/** @throws UsageError naming the option. */
export function planPrior(options: OptionValues): PriorPlan {
  const attention = textOption(options, 'attention') ?? 'full';
  if (attention !== 'full' && attention !== 'paper') throw new UsageError(`--attention ${attention}: use full or paper.`);
  const asked = textOption(options, 'schedule') ?? 'cosine';
  const schedule = schedules.find((name) => name === asked);
  if (schedule === undefined) throw new UsageError(`--schedule ${asked}: use ${schedules.join(' or ')}.`);
  const plateauWindow = numberOption(options, 'plateau-window', { minimum: 1, integer: true });
  if (plateauWindow !== undefined && schedule !== 'plateau') throw new UsageError('--plateau-window is for --schedule plateau.');
  const samples = samplesOf(options);
  const recompute = textOption(options, 'recompute') ?? 'none';
  if (recompute !== 'none' && recompute !== 'cheap' && recompute !== 'layers') throw new UsageError(`--recompute ${recompute}: use none, cheap or layers.`);
  return {
    recompute,
    vocabularySize: wholeOption(options, 'vocabulary', 1024, 257),
    choices: {
      textLength: wholeOption(options, 'text-length', 32),
      width: wholeOption(options, 'width', 256),
      layers: wholeOption(options, 'layers', 6),
      heads: wholeOption(options, 'heads', 8),
      attention,
      bpeDropout: numberOption(options, 'bpe-dropout', { minimum: 0, maximum: 1 }) ?? 0,
      steps: wholeOption(options, 'prior-steps', 4000),
      batch: wholeOption(options, 'prior-batch', 32),
      accumulate: wholeOption(options, 'accumulate', 1),
      learningRate: rateOption(options, 'prior-rate', 5e-3),
      schedule,
      ...(plateauWindow === undefined ? {} : { plateauWindow }),
      captionDropout: numberOption(options, 'caption-dropout', { minimum: 0, maximum: 1 }) ?? 0.1,
      augment: flag(options, 'augment'),
    },
    ...(samples === undefined ? {} : { samples }),
  };
}

/** What samples are asked for, found out before hours of training. @throws TesseraeError `prompt-invalid` for a prompt that is too long. */
function promptedBy(samples: WantedSamples, pictures: readonly CodedPicture[], textTokenizer: TextTokenizer, textLength: number): WantedSamples {
  for (const prompt of samples.prompts) {
    const { length } = textTokenizer.encode(prompt);
    if (length > textLength) {
      throw new TesseraeError('prompt-invalid', `The prompt '${prompt}' is ${length} tokens long; the prior will read ${textLength}.`, {
        remedy: 'Shorten it, or train with a larger --text-length.',
      });
    }
  }
  // The first of the pictures are those that are held back (`holdBack`).
  return samples.prompts.length > 0 ? samples : { ...samples, prompts: pictures.slice(0, defaultPrompts).flatMap(({ captions }) => captions.slice(0, 1)) };
}

/** Trains stage two on pictures, or on the codes in the file `source`. */
export async function trainPriorStage(
  context: StageContext,
  plan: PriorPlan,
  images: LoadedImages | undefined,
  source: string,
): Promise<{ readonly figures: Figures; readonly pictures: number }> {
  const { modelFolder, size, seed, floats, backend, resume, output, signal } = context;
  const model = await openModelFolder(modelFolder);
  const imageTokenizer = await loadImageTokenizer(model, { backend, maximumBatch: 32 });
  try {
    const { pictures: all, grid } = images === undefined ? await codedBy(model, source) : await codesOfImages(imageTokenizer, images, plan, { size, output, signal });
    const pictures = onlyCaptioned(all, source);
    const captions = pictures.flatMap((picture) => picture.captions);
    const textModel = trainBytePairModel(captions, { vocabularySize: plan.vocabularySize, signal });
    const textTokenizer = createBytePairTokenizer(textModel);
    const recipe = priorRecipe({ ...plan.choices, grid, codebookSize: imageTokenizer.codebookSize, textVocabularySize: textTokenizer.vocabularySize, seed });
    parsePriorConfiguration(recipe.configuration);
    const samples = plan.samples === undefined ? undefined : promptedBy(plan.samples, pictures, textTokenizer, recipe.configuration.textLength);
    const common = { recipe, recompute: plan.recompute, pictures, textModel, textTokenizer, imageTokenizer, modelFolder, floats, backend, resume, output, signal };
    const figures = await trainPrior({ ...common, ...(samples === undefined ? {} : { samples }) });
    if (samples !== undefined) await writeTrainingReport(context, images);
    printFigures(output, 'prior', figures);
    return { figures, pictures: all.length };
  } finally {
    imageTokenizer.dispose();
  }
}

/** Pictures in codes; with the whole pictures where each is to be augmented anew. */
async function codesOfImages(
  imageTokenizer: ImageTokenizer,
  images: LoadedImages,
  { choices }: PriorPlan,
  { size, output, signal }: Pick<StageContext, 'size' | 'output' | 'signal'>,
): Promise<{ readonly pictures: readonly CodedPicture[]; readonly grid: Grid }> {
  const pictures = await encodePictures(imageTokenizer, captionedPictures(images), { width: size, height: size }, { output, signal });
  if (!choices.augment) return { pictures, grid: imageTokenizer.grid };
  return { grid: imageTokenizer.grid, pictures: pictures.map((picture, index) => ({ ...picture, ...withOriginal(images.originals[index]) })) };
}

const withOriginal = (original: Picture | undefined): Pick<CodedPicture, 'original'> => (original === undefined ? {} : { original });
