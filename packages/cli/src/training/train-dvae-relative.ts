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
  trainedParameters,
  uniformArray,
  uniformInteger,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import { architectureOf, initialiseCodebook, reconstructionLoss, stridedTrainingLoss, vqganTrainingLoss } from '@tesserae/dvae';
import type { DvaeRelativeRecipe } from './dvae-relative-recipes.js';
import type { TrainImageTokenizerOptions } from './image-tokenizer-recipe.js';
import { holdBack, measureReconstructions } from './measure-reconstructions.js';
import { pixelBatch } from './pixel-batch.js';
import { removeCheckpoint, runTraining } from './training-run.js';

/** Pictures whose latents the first codebook is made from. */
const clusteredPictures = 200;
function trainingLoss(recipe: DvaeRelativeRecipe): LossFunction {
  // The two members of the union are told apart by their configuration's kind.
  if (isStrided(recipe)) return stridedTrainingLoss(recipe.configuration, recipe.batch, recipe.objective);
  return vqganTrainingLoss(recipe.configuration, recipe.batch, recipe.objective);
}

type StridedRecipe = Extract<DvaeRelativeRecipe, { readonly configuration: { readonly kind: 'strided-dvae' } }>;
type VqganRecipe = Exclude<DvaeRelativeRecipe, StridedRecipe>;
const isStrided = (recipe: DvaeRelativeRecipe): recipe is StridedRecipe => recipe.configuration.kind === 'strided-dvae';
const isVqgan = (recipe: DvaeRelativeRecipe): recipe is VqganRecipe => recipe.configuration.kind === 'vqgan';

/** Trains a relative of the dVAE as stage one and writes it as part `imageTokenizer`. Gives the last validation figures. */
export async function trainDvaeRelative(options: Omit<TrainImageTokenizerOptions, 'recipe'> & { readonly recipe: DvaeRelativeRecipe }): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, output, signal, modelFolder } = options;
  const { configuration, batch, steps } = recipe;
  const { imageSize: size, codebookSize } = configuration;
  const side = size / architectureOf(configuration).downsampling;
  const key = deriveKey(keyFromSeed(recipe.seed), configuration.kind);
  const { validation, training } = holdBack(options.pictures, batch);
  const step = createTrainingStep(`train ${configuration.kind}`, trainingLoss(recipe), recipe);
  const evaluation = createEvaluationStep(`evaluate ${configuration.kind}`, reconstructionLoss(configuration, validation.length), { average: true });
  const folder = join(modelFolder, 'training', 'image-tokenizer');
  // Only a relaxation draws noise.
  const needsNoise = configuration.kind === 'strided-dvae' || configuration.quantizer === 'gumbel';
  let figures: Readonly<Record<string, number>> = {};

  const firstWeights = async (): Promise<Map<string, HostArray>> => {
    const weights = initialiseParameters(step.specs.values(), key);
    if (!isVqgan(recipe) || recipe.configuration.quantizer === 'gumbel') return weights;
    const pixels = pixelBatch(training, size, (row) => row, Math.min(training.length, clusteredPictures));
    return initialiseCodebook(recipe.configuration, { weights, pixels, backend, key: deriveKey(key, 'codebook') });
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
      pixels: pixelBatch(training, size, (row) => uniformInteger(deriveKey(key, 'pictures', at), training.length, row), batch),
      ...(needsNoise ? { noise: float32Array([batch, codebookSize, side, side], uniformArray(deriveKey(key, 'noise', at), batch * codebookSize * side * side)) } : {}),
    }),
    evaluateEvery: Math.max(1, Math.min(500, Math.floor(steps / 4))),
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
