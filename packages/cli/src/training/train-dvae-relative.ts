import { join } from 'node:path';
import {
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  float32Array,
  type HostArray,
  initialiseParameters,
  initialTrainingState,
  keyFromSeed,
  type LossFunction,
  sizeOf,
  trainedParameters,
  uniformArray,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import {
  architectureOf,
  initialiseCodebook,
  parseImageTokenizerConfiguration,
  reconstructionLoss,
  stridedTrainingLoss,
  vqganTrainingLoss,
  vqVaeTrainingLoss,
} from '@tesserae/dvae';
import { describeRecipe } from './describe-recipe.js';
import type { DvaeRelativeRecipe } from './dvae-relative-recipes.js';
import type { TrainImageTokenizerOptions } from './image-tokenizer-recipe.js';
import { holdBackPictures, measureReconstructions } from './measure-reconstructions.js';
import { drawnBatch, pixelBatch } from './pixel-batch.js';
import { removeCheckpoint, runTraining } from './training-run.js';
import { defaultPreviewEvery } from './validation.js';

/** Pictures whose latents the first codebook is made from. */
const clusteredPictures = 200;

type RecipeOf<Kind extends DvaeRelativeRecipe['configuration']['kind']> = Extract<DvaeRelativeRecipe, { readonly configuration: { readonly kind: Kind } }>;

/** The members of the union are told apart by their configuration's kind. */
function isOf<Kind extends DvaeRelativeRecipe['configuration']['kind']>(recipe: DvaeRelativeRecipe, kind: Kind): recipe is RecipeOf<Kind> {
  return recipe.configuration.kind === kind;
}

function trainingLoss(recipe: DvaeRelativeRecipe): LossFunction {
  if (isOf(recipe, 'strided-dvae')) return stridedTrainingLoss(recipe.configuration, recipe.batch, recipe.objective);
  if (isOf(recipe, 'vq-vae')) return vqVaeTrainingLoss(recipe.configuration, recipe.batch, recipe.objective);
  if (isOf(recipe, 'vqgan')) return vqganTrainingLoss(recipe.configuration, recipe.batch, recipe.objective);
  return recipe satisfies never;
}

/** Trains a relative of the dVAE as stage one and writes it as part `imageTokenizer`. Gives the last validation figures. */
export async function trainDvaeRelative(options: Omit<TrainImageTokenizerOptions, 'recipe'> & { readonly recipe: DvaeRelativeRecipe }): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, output, signal, modelFolder, previewEvery = defaultPreviewEvery(options.recipe.steps) } = options;
  const { configuration, batch, steps } = recipe;
  parseImageTokenizerConfiguration(configuration);
  const { imageSize: size, codebookSize } = configuration;
  const side = size / architectureOf(configuration).downsampling;
  const key = deriveKey(keyFromSeed(recipe.seed), configuration.kind);
  const { validation, training } = holdBackPictures(options.pictures, batch, recipe.augment === true ? options.originals : undefined);
  const step = createTrainingStep(`train ${configuration.kind}`, trainingLoss(recipe), recipe);
  const evaluation = createEvaluationStep(`evaluate ${configuration.kind}`, reconstructionLoss(configuration, validation.length), { average: recipe.ema !== undefined });
  const folder = join(modelFolder, 'training', 'image-tokenizer');
  const architecture = architectureOf(configuration);
  const uniform = (shape: readonly number[], purpose: string, at: number): HostArray => float32Array(shape, uniformArray(deriveKey(key, purpose, at), sizeOf(shape)));
  /** What the objective reads beside pictures: only a relaxation draws noise, only a codebook whose dead codes come back draws where to. */
  const drawn = (at: number): Record<string, HostArray> => {
    if (architecture.latents === undefined) return { noise: uniform([batch, codebookSize, side, side], 'noise', at) };
    return 'revivedAfter' in recipe.objective && recipe.objective.revivedAfter !== undefined ? { revival: uniform([codebookSize], 'revival', at) } : {};
  };
  output.note(`image tokenizer: ${describeRecipe(recipe)}`);
  let figures: Readonly<Record<string, number>> = {};

  const firstWeights = async (): Promise<Map<string, HostArray>> => {
    const weights = initialiseParameters(step.specs.values(), key);
    if (configuration.kind === 'strided-dvae' || architecture.latents === undefined) return weights;
    const pixels = pixelBatch(training.pixels, size, (row) => row, Math.min(training.pixels.length, clusteredPictures));
    return initialiseCodebook(configuration, { weights, pixels, backend, key: deriveKey(key, 'codebook') });
  };

  const state = await runTraining({
    label: 'image tokenizer',
    folder,
    backend,
    step,
    steps,
    initialState: async () => initialTrainingState(step, await firstWeights()),
    resume: options.resume,
    recipe: JSON.stringify(recipe),
    shown: ['loss', 'reconstruction'],
    output,
    signal,
    batch: (at) => ({
      pixels: drawnBatch(training, size, deriveKey(key, 'pictures', at), batch),
      ...drawn(at),
    }),
    evaluateEvery: previewEvery,
    evaluate: async (store, at, log) => {
      const file = join(folder, `reconstructions-${String(at).padStart(6, '0')}.png`);
      figures = await measureReconstructions({ backend, evaluation, store, pictures: validation, size, file });
      await log(figures);
    },
  });
  await writeModelParts(modelFolder, {
    imageTokenizer: {
      folder: 'image-tokenizer',
      files: { 'config.json': configuration, 'training.json': { recipe, pictures: options.pictures.length, ...figures } },
      weights: { arrays: trainedParameters(step, state), floats: options.floats },
    },
  });
  await removeCheckpoint(folder);
  return figures;
}
