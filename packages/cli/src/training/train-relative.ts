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
  type Picture,
  type StateStore,
  trainedParameters,
  uniformArray,
  uniformInteger,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import { architectureOf, codebookUsage, initialiseCodebook, pictureFromPlanes, reconstructionLoss, stridedTrainingLoss, vqganTrainingLoss } from '@tesserae/dvae';
import { writeStrip } from '../pictures.js';
import type { TrainImageTokenizerOptions } from './image-tokenizer-recipe.js';
import { pixelBatch } from './pixel-batch.js';
import type { RelativeRecipe } from './relative-recipes.js';
import { removeCheckpoint, runTraining } from './training-run.js';

/** Pictures whose latents the first codebook is made from. */
const clusteredPictures = 500;
/** Pictures held back to see how well unseen ones come back. */
const validationShare = 0.02;

function trainingLoss(recipe: RelativeRecipe): LossFunction {
  // The two members of the union are told apart by their configuration's kind.
  if (isStrided(recipe)) return stridedTrainingLoss(recipe.configuration, recipe.batch, recipe.objective);
  return vqganTrainingLoss(recipe.configuration, recipe.batch, recipe.objective);
}

type StridedRecipe = Extract<RelativeRecipe, { readonly configuration: { readonly kind: 'strided-dvae' } }>;
type VqganRecipe = Exclude<RelativeRecipe, StridedRecipe>;
const isStrided = (recipe: RelativeRecipe): recipe is StridedRecipe => recipe.configuration.kind === 'strided-dvae';
const isVqgan = (recipe: RelativeRecipe): recipe is VqganRecipe => recipe.configuration.kind === 'vqgan';

/** Trains a relative of the dVAE as stage one and writes it as part `imageTokenizer`. Gives the last validation figures. */
export async function trainRelative(options: Omit<TrainImageTokenizerOptions, 'recipe'> & { readonly recipe: RelativeRecipe }): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, output, signal, modelFolder } = options;
  const { configuration, batch, steps } = recipe;
  const { imageSize: size, codebookSize } = configuration;
  const side = size / architectureOf(configuration).downsampling;
  const key = deriveKey(keyFromSeed(recipe.seed), configuration.kind);
  const held = Math.max(1, Math.min(batch, Math.floor(options.pictures.length * validationShare)));
  const validation = options.pictures.slice(0, held);
  const training = options.pictures.length > held ? options.pictures.slice(held) : options.pictures;
  const step = createTrainingStep(`train ${configuration.kind}`, trainingLoss(recipe), recipe);
  const evaluation = createEvaluationStep(`evaluate ${configuration.kind}`, reconstructionLoss(configuration, held), { average: true });
  const folder = join(modelFolder, 'training', 'image-tokenizer');
  // Only a relaxation draws noise.
  const needsNoise = configuration.kind === 'strided-dvae' || configuration.quantizer === 'gumbel';
  let figures: Readonly<Record<string, number>> = {};

  const measure = async (store: StateStore, file: string): Promise<Readonly<Record<string, number>>> => {
    const program = await backend.compile(evaluation, { state: store });
    try {
      const results = await program.run({ pixels: pixelBatch(validation, size, (row) => row, held) });
      const usage = codebookUsage(results.codeCounts?.data ?? []);
      const planes = results.pictures?.data as Float32Array;
      const originals = validation.slice(0, 8).map((data): Picture => ({ width: size, height: size, data }));
      await writeStrip(file, [originals, originals.map((_, index) => pictureFromPlanes(planes, index * 3 * size * size, size, size))]);
      return { psnr: -10 * Math.log10(results.squaredError?.data[0] ?? Number.NaN), usedCodes: usage.used, perplexity: usage.perplexity };
    } finally {
      program.dispose();
    }
  };

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
      figures = await measure(store, join(folder, `reconstructions-${String(at).padStart(6, '0')}.png`));
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
