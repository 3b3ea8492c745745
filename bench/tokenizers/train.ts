import { join } from 'node:path';
import { type Backend, createTrainingStep, deriveKey, type HostArray, initialTrainingState, keyFromSeed, trainedParameters } from '@tesserae/core';
import { openModelFolder, writeModelParts } from '@tesserae/core/node';
import { dvaeWarmUpLoss } from '@tesserae/dvae';
import { createOutput } from '../../packages/cli/src/terminal/output.js';
import { drawnBatch } from '../../packages/cli/src/training/pixel-batch.js';
import { trainDvaeRelative } from '../../packages/cli/src/training/train-dvae-relative.js';
import { trainImageTokenizer } from '../../packages/cli/src/training/train-image-tokenizer.js';
import { removeCheckpoint, runTraining } from '../../packages/cli/src/training/training-run.js';
import type { Contestant, ContinuousRecipe } from './contestants.js';

export interface TrainingPlace {
  readonly backend: Backend;
  /** RGB bytes. */
  readonly pictures: readonly Uint8Array[];
  /** The model's folder: what is finished is kept, what was interrupted goes on. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

const output = createOutput({ stdout: process.stdout, stderr: process.stderr, now: Date.now }, { json: false, quiet: false });

async function trainContinuous(recipe: ContinuousRecipe, { backend, pictures, folder, signal }: TrainingPlace): Promise<void> {
  const { configuration, objective, batch, steps, learningRate, weightDecay, ema } = recipe;
  const key = deriveKey(keyFromSeed(recipe.seed), 'continuous');
  const step = createTrainingStep('train autoencoder', dvaeWarmUpLoss(configuration, batch, objective), { learningRate, weightDecay, ema });
  const runFolder = join(folder, 'training', 'image-tokenizer');
  const state = await runTraining({
    label: 'autoencoder',
    folder: runFolder,
    backend,
    step,
    steps,
    initialState: async () => initialTrainingState(step, key),
    resume: true,
    recipe: JSON.stringify(recipe),
    shown: ['loss', 'squaredError'],
    output,
    signal,
    batch: (at) => ({ pixels: drawnBatch({ pixels: pictures }, configuration.imageSize, deriveKey(key, 'pictures', at), batch) }),
  });
  await writeModelParts(folder, {
    imageTokenizer: { folder: 'image-tokenizer', files: { 'training.json': { recipe, pictures: pictures.length } }, weights: { arrays: trainedParameters(step, state) } },
  });
  await removeCheckpoint(runFolder);
}

/** The weights of a finished training, by path; undefined where there is none. */
async function finished(folder: string): Promise<ReadonlyMap<string, HostArray> | undefined> {
  const model = await openModelFolder(folder).catch(() => undefined);
  if (model === undefined) return undefined;
  const source = await model.openWeights('imageTokenizer');
  const weights = new Map<string, HostArray>();
  for (const name of source.types.keys()) weights.set(name, await source.read(name));
  return weights;
}

/** Trains a contestant, or takes what an earlier call trained. */
export async function trainedWeights(contestant: Contestant, place: TrainingPlace): Promise<ReadonlyMap<string, HostArray>> {
  const before = await finished(place.folder);
  if (before !== undefined) return before;
  const { backend, pictures, folder: modelFolder, signal } = place;
  const common = { backend, pictures, modelFolder, signal, output, resume: true, floats: 'float32' } as const;
  switch (contestant.how) {
    case 'dvae':
      await trainImageTokenizer({ ...common, recipe: contestant.recipe });
      break;
    case 'relative':
      await trainDvaeRelative({ ...common, recipe: contestant.recipe });
      break;
    case 'continuous':
      await trainContinuous(contestant.recipe, place);
      break;
    default:
      contestant satisfies never;
  }
  return (await finished(place.folder)) ?? new Map();
}
