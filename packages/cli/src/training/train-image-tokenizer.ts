import { join } from 'node:path';
import {
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  float32Array,
  type HostArray,
  initialTrainingState,
  keyFromSeed,
  type StateStore,
  trainedParameters,
  uniformArray,
  uniformInteger,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import { downsamplingOf, dvaeTrainingLoss, dvaeValidationLoss, initialiseDvae } from '@tesserae/dvae';
import type { TrainImageTokenizerOptions } from './image-tokenizer-recipe.js';
import { holdBack, measureReconstructions } from './measure-reconstructions.js';
import { pixelBatch } from './pixel-batch.js';
import { refineDecoder } from './refine-decoder.js';
import { removeCheckpoint, runTraining } from './training-run.js';
import { warmUpImageTokenizer } from './warm-up-image-tokenizer.js';

/** Pictures whose bottleneck vectors are clustered into the first codebook. */
const clusteredPictures = 2000;

/** Trains stage one and writes it into the model folder as part `imageTokenizer`. Gives the last validation figures. */
export async function trainImageTokenizer(options: TrainImageTokenizerOptions): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, output, signal, modelFolder } = options;
  const { configuration, batch, steps } = recipe;
  const size = configuration.imageSize;
  const grid = size / downsamplingOf(configuration);
  const key = deriveKey(keyFromSeed(recipe.seed), 'image-tokenizer');
  const { validation, training } = holdBack(options.pictures, batch);

  const step = createTrainingStep('train image tokenizer', dvaeTrainingLoss(configuration, batch, recipe), recipe);
  const evaluation = createEvaluationStep('evaluate image tokenizer', dvaeValidationLoss(configuration, validation.length, recipe), { average: true });
  const folderOf = (name: string): string => join(modelFolder, 'training', name);
  const [folder, warmUpFolder, decoderFolder] = [folderOf('image-tokenizer'), folderOf('image-tokenizer-warm-up'), folderOf('decoder')] as const;

  /** By the averaged parameters of a store. */
  const measure = (store: StateStore, file: string): Promise<Readonly<Record<string, number>>> =>
    measureReconstructions({ backend, evaluation, store, pictures: validation, size, file });

  const firstWeights = async (): Promise<Map<string, HostArray>> => {
    const warm = await warmUpImageTokenizer(options, training, warmUpFolder);
    const pixels = pixelBatch(training, size, (row) => row, Math.min(training.length, clusteredPictures));
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
          pixels: pixelBatch(training, size, (row) => uniformInteger(deriveKey(key, 'pictures', at), training.length, row), batch),
          noise: float32Array([batch, configuration.codebookSize, grid, grid], uniformArray(deriveKey(key, 'noise', at), batch * configuration.codebookSize * grid * grid)),
        }),
        evaluateEvery: Math.max(1, Math.min(500, Math.floor(steps / 4))),
        evaluate: async (store, at, log) => log(await measure(store, join(folder, `reconstructions-${String(at).padStart(6, '0')}.png`))),
      }),
    );

  const refined = await refineDecoder(options, training, steps === 0 ? await firstWeights() : await relaxed(), decoderFolder);
  // Of the weights that are written, whatever an interruption left out above.
  const store = await backend.createState(initialTrainingState(step, refined));
  let figures: Readonly<Record<string, number>>;
  try {
    figures = await measure(store, join(decoderFolder, 'reconstructions.png'));
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
