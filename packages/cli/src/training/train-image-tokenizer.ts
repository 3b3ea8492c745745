import { join } from 'node:path';
import {
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  float32Array,
  type HostArray,
  initialiseParameters,
  initialTrainingState,
  int32Array,
  type Key,
  keyFromSeed,
  type StateStore,
  sizeOf,
  stateNames,
  trainedParameters,
  uniformArray,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import { downsamplingOf, dvaeTrainingLoss, dvaeValidationLoss, initialiseDvae, parseDvaeConfiguration } from '@tesserae/dvae';
import { describeRecipe } from './describe-recipe.js';
import type { TrainImageTokenizerOptions } from './image-tokenizer-recipe.js';
import { holdBackPictures, measureReconstructions } from './measure-reconstructions.js';
import { drawnBatch, pixelBatch } from './pixel-batch.js';
import { refineDecoder } from './refine-decoder.js';
import { removeCheckpoint, runTraining } from './training-run.js';
import { defaultPreviewEvery } from './validation.js';
import { warmUpImageTokenizer } from './warm-up-image-tokenizer.js';

/** Pictures whose bottleneck vectors are clustered into the first codebook. */
const clusteredPictures = 2000;

/** Trains stage one and writes it into the model folder as part `imageTokenizer`. Gives the last validation figures. */
export async function trainImageTokenizer(options: TrainImageTokenizerOptions): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, output, signal, modelFolder, previewEvery = defaultPreviewEvery(options.recipe.steps) } = options;
  const { batch, steps } = recipe;
  const configuration = parseDvaeConfiguration(recipe.configuration);
  const size = configuration.imageSize;
  const grid = size / downsamplingOf(configuration);
  const key = deriveKey(keyFromSeed(recipe.seed), 'image-tokenizer');
  const { validation, training } = holdBackPictures(options.pictures, batch, recipe.augment === true ? options.originals : undefined);

  const step = createTrainingStep('train image tokenizer', dvaeTrainingLoss(configuration, batch, recipe), recipe);
  const evaluation = createEvaluationStep('evaluate image tokenizer', dvaeValidationLoss(configuration, validation.length, recipe), { average: true });
  const uniformNoise = (from: Key, pictures: number): HostArray => {
    const shape = [pictures, configuration.codebookSize, grid, grid];
    return float32Array(shape, uniformArray(from, sizeOf(shape)));
  };
  const folderOf = (name: string): string => join(modelFolder, 'training', name);
  const [folder, warmUpFolder, decoderFolder] = [folderOf('image-tokenizer'), folderOf('image-tokenizer-warm-up'), folderOf('decoder')] as const;

  /** By the averaged parameters of a store. */
  const measure = (store: StateStore, file: string): Promise<Readonly<Record<string, number>>> =>
    measureReconstructions({
      backend,
      evaluation,
      inputs: { noise: uniformNoise(deriveKey(key, 'validation noise'), validation.length) },
      store,
      pictures: validation,
      size,
      file,
    });

  const firstWeights = async (): Promise<Map<string, HostArray>> => {
    if (recipe.warmUp.steps === 0) return initialiseParameters(step.specs.values(), key);
    const warm = await warmUpImageTokenizer(options, training, warmUpFolder);
    const pixels = pixelBatch(training.pixels, size, (row) => row, Math.min(training.pixels.length, clusteredPictures));
    return initialiseDvae(configuration, { specs: step.specs.values(), warm, pixels, backend, key, rateWeight: recipe.rateWeight });
  };
  const relaxed = async (): Promise<Map<string, HostArray>> =>
    trainedParameters(
      step,
      await runTraining({
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
          noise: uniformNoise(deriveKey(key, 'noise', at), batch),
        }),
        evaluateEvery: previewEvery,
        evaluate: async (store, at, log) => log(await measure(store, join(folder, `reconstructions-${String(at).padStart(6, '0')}.png`))),
      }),
    );

  output.note(`image tokenizer: ${describeRecipe(recipe)}`);
  const trained = steps === 0 ? await firstWeights() : await relaxed();
  const refined = recipe.refinement.steps === 0 ? trained : await refineDecoder(options, training.pixels, trained, decoderFolder);
  // Of the weights that are written, whatever an interruption left out above, and at the schedules' end.
  const store = await backend.createState(initialTrainingState(step, refined).set(stateNames.step, int32Array([], [steps])));
  let figures: Readonly<Record<string, number>>;
  try {
    const measured = await measure(store, join(decoderFolder, 'reconstructions.png'));
    // Refinement leaves ln b behind: likelihoods of a refined decoder say nothing.
    figures = recipe.refinement.steps === 0 ? measured : Object.fromEntries(Object.entries(measured).filter(([name]) => !['elb', 'relaxedLoss', 'hardLoss'].includes(name)));
  } finally {
    store.dispose();
  }
  await writeModelParts(modelFolder, {
    imageTokenizer: {
      folder: 'image-tokenizer',
      files: { 'config.json': configuration, 'training.json': { recipe, pictures: options.pictures.length, ...figures } },
      weights: { arrays: refined, floats: options.floats },
    },
  });
  for (const done of [folder, warmUpFolder, decoderFolder]) await removeCheckpoint(done);
  return figures;
}
