import type { LoadedImages } from '@tesserae/datasets/node';
import { flag, numberOption, type OptionSpec, type OptionValues, textOption, UsageError } from '../../command.js';
import { type CodebookChoices, type DvaeRelative, dvaeRelativeRecipe, dvaeRelatives, publishedRelativeRecipe } from '../dvae-relative-recipes.js';
import { defaultRate, type ImageTokenizerChoices, imageTokenizerRecipe, paperRecipe } from '../recipes.js';
import { trainDvaeRelative } from '../train-dvae-relative.js';
import { trainImageTokenizer } from '../train-image-tokenizer.js';
import { type Figures, printFigures, rateOption, type StageContext, wholeOption } from './stage.js';
import { writeTrainingReport } from './training-report.js';

const recipes = ['practical', 'paper'] as const;
const codebookUpdates = ['gradient', 'average'] as const;

export const imageTokenizerOptions: Readonly<Record<string, OptionSpec>> = {
  downsampling: { type: 'string', value: 'PIXELS', help: 'width and height of a code: 2, 4, 8 (default) or 16; smaller keeps more and makes the prior slower' },
  codebook: { type: 'string', value: 'N', help: 'codes of the image tokenizer (default 512)' },
  hidden: { type: 'string', value: 'N', help: 'channels of its first group (default 32)' },
  blocks: { type: 'string', value: 'N', help: 'residual blocks a group (default 1)' },
  tokenizer: { type: 'string', value: 'NAME', help: `dvae (default), or a relative: ${dvaeRelatives.join(', ')}` },
  recipe: {
    type: 'string',
    value: 'NAME',
    help: 'practical (default), or paper: the published objective and schedules, shortened to --tokenizer-steps; from random weights unless --warm-up-steps says otherwise',
  },
  augment: {
    type: 'boolean',
    help: "crop, scale and mirror the tokenizer's pictures at random, crop and scale the prior's, as the paper does; the prior's codes are then made anew at every update",
  },
  seamless: { type: 'boolean', help: 'convolutions go on at the opposite edge: for textures' },
  'codebook-update': { type: 'string', value: 'NAME', help: 'of vq-vae and vqgan: gradient, or average of the latents (default: average for vq-vae, gradient for vqgan)' },
  'revive-after': { type: 'string', value: 'N', help: 'of the same: updates without use after which a code is put anew; 0 never (default: 10 to 100 for vq-vae, 0 for vqgan)' },
  'preview-every': { type: 'string', value: 'N', help: 'updates between two looks at unseen pictures: figures, and a strip of reconstructions (default: four, or every 500)' },
  'warm-up-steps': { type: 'string', value: 'N', help: 'updates of the autoencoder its codebook is made from (default 1500; 0 with --recipe paper)' },
  'tokenizer-steps': {
    type: 'string',
    value: 'N',
    help: "updates of the paper's relaxed objective then (default 0: short trainings gain nothing by it); with --recipe paper, or of a relative, all its updates (default 3000)",
  },
  'refinement-steps': { type: 'string', value: 'N', help: 'updates of its decoder alone, once the codes are final (default 1000; 0 with --recipe paper)' },
  'tokenizer-batch': { type: 'string', value: 'N', help: 'pictures an update (default 16)' },
  'tokenizer-rate': { type: 'string', value: 'X', help: 'highest learning rate (default 5e-4; with --recipe paper 1e-4, of strided-dvae 1e-3)' },
};

/** What the options say of stage one. */
export interface ImageTokenizerPlan {
  /** None: the paper's dVAE. */
  readonly relative: DvaeRelative | undefined;
  /** The published recipe instead of the practical one. */
  readonly isPaper: boolean;
  readonly choices: ImageTokenizerChoices;
  readonly codebook: CodebookChoices;
  readonly previewEvery?: number;
}

/** How the codebook of a tokenizer that takes nearest vectors is kept. */
function codebookOf(options: OptionValues, name: string, takesNearest: boolean): CodebookChoices {
  const asked = textOption(options, 'codebook-update');
  const codebookUpdate = codebookUpdates.find((known) => known === asked);
  if (codebookUpdate === undefined && asked !== undefined) throw new UsageError(`--codebook-update ${asked}: use ${codebookUpdates.join(' or ')}.`);
  const revivedAfter = numberOption(options, 'revive-after', { minimum: 0, integer: true });
  if (!takesNearest && (codebookUpdate !== undefined || revivedAfter !== undefined))
    throw new UsageError(`--codebook-update and --revive-after are for tokenizers that take the nearest codebook vector, not for ${name}.`);
  return {
    ...(codebookUpdate === undefined ? {} : { codebookUpdate }),
    ...(revivedAfter === undefined ? {} : { revivedAfter: revivedAfter === 0 ? undefined : revivedAfter }),
  };
}

/** @throws UsageError naming the option. */
export function planImageTokenizer(options: OptionValues, { size, seed }: Pick<StageContext, 'size' | 'seed'>): ImageTokenizerPlan {
  const downsampling = wholeOption(options, 'downsampling', 8, 2);
  if (!Number.isInteger(Math.log2(downsampling)) || size % downsampling !== 0)
    throw new UsageError(`--downsampling ${downsampling}: give a power of 2 that divides the size ${size}.`);
  const name = textOption(options, 'tokenizer') ?? 'dvae';
  const relative = dvaeRelatives.find((known) => known === name);
  if (relative === undefined && name !== 'dvae') throw new UsageError(`--tokenizer ${name}: use dvae, ${dvaeRelatives.join(', ')}.`);
  const recipe = recipes.find((known) => known === (textOption(options, 'recipe') ?? 'practical'));
  if (recipe === undefined) throw new UsageError(`--recipe ${textOption(options, 'recipe')}: use ${recipes.join(' or ')}.`);
  const isPaper = recipe === 'paper';
  const previewEvery = numberOption(options, 'preview-every', { minimum: 1, integer: true });
  return {
    relative,
    isPaper,
    choices: {
      size,
      seed,
      codebookSize: wholeOption(options, 'codebook', 512, 2),
      downsampling,
      hidden: wholeOption(options, 'hidden', 32, 4),
      blocksPerGroup: wholeOption(options, 'blocks', 1),
      steps: relative === undefined && !isPaper ? wholeOption(options, 'tokenizer-steps', 0, 0) : wholeOption(options, 'tokenizer-steps', 3000),
      refinementSteps: isPaper ? wholeOption(options, 'refinement-steps', 0, 0) : wholeOption(options, 'refinement-steps', 1000),
      warmUpSteps: isPaper ? wholeOption(options, 'warm-up-steps', 0, 0) : wholeOption(options, 'warm-up-steps', 1500),
      batch: wholeOption(options, 'tokenizer-batch', 16),
      learningRate: rateOption(options, 'tokenizer-rate', !isPaper ? defaultRate : relative === 'strided-dvae' ? 1e-3 : 1e-4),
      augment: flag(options, 'augment'),
      seamless: flag(options, 'seamless'),
    },
    codebook: codebookOf(options, name, relative !== undefined && relative !== 'strided-dvae' && relative !== 'vqgan-gumbel'),
    ...(previewEvery === undefined ? {} : { previewEvery }),
  };
}

/** Trains stage one on pictures, writes it and the page that shows it. */
export async function trainImageTokenizerStage(context: StageContext, plan: ImageTokenizerPlan, images: LoadedImages): Promise<Figures> {
  const { relative, isPaper, choices, codebook, previewEvery } = plan;
  const { modelFolder, floats, backend, resume, output, signal } = context;
  const common = {
    pictures: images.pixels,
    ...(choices.augment ? { originals: images.originals } : {}),
    ...(previewEvery === undefined ? {} : { previewEvery }),
    modelFolder,
    floats,
    backend,
    resume,
    output,
    signal,
  };
  const figures =
    relative === undefined
      ? await trainImageTokenizer({ ...common, recipe: (isPaper ? paperRecipe : imageTokenizerRecipe)(choices) })
      : await trainDvaeRelative({ ...common, recipe: (isPaper ? publishedRelativeRecipe : dvaeRelativeRecipe)(relative, choices, codebook) });
  await writeTrainingReport(context, images);
  printFigures(output, 'image tokenizer', figures);
  return figures;
}
