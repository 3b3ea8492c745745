import { createTrainingStep, deriveKey, type HostArray, initialTrainingState, keyFromSeed, trainedParameters } from '@tesserae/core';
import { dvaeWarmUpLoss } from '@tesserae/dvae';
import type { TrainImageTokenizerOptions } from './image-tokenizer-recipe.js';
import { drawnBatch, type TrainingPictures } from './pixel-batch.js';
import { runTraining } from './training-run.js';

/** Trains the autoencoder that the first codebook is made from. Has a checkpoint of its own. */
export async function warmUpImageTokenizer(options: TrainImageTokenizerOptions, pictures: TrainingPictures, folder: string): Promise<ReadonlyMap<string, HostArray>> {
  const { recipe, backend, output, signal } = options;
  const { configuration, batch } = recipe;
  const key = deriveKey(keyFromSeed(recipe.seed), 'image-tokenizer-warm-up');
  const step = createTrainingStep('warm up image tokenizer', dvaeWarmUpLoss(configuration, batch), {
    learningRate: recipe.warmUp.learningRate,
    weightDecay: recipe.weightDecay,
    ...(recipe.clipNorm === undefined ? {} : { clipNorm: recipe.clipNorm }),
  });
  const state = await runTraining({
    label: 'autoencoder',
    folder,
    backend,
    step,
    steps: recipe.warmUp.steps,
    initialState: async () => initialTrainingState(step, key),
    resume: options.resume,
    recipe: JSON.stringify(recipe),
    shown: ['squaredError'],
    output,
    signal,
    batch: (at) => ({ pixels: drawnBatch(pictures, configuration.imageSize, deriveKey(key, 'pictures', at), batch) }),
  });
  return trainedParameters(step, state);
}
