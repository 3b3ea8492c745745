import { join } from 'node:path';
import {
  type Backend,
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  type HostArray,
  initialTrainingState,
  keyFromSeed,
  type MuonOptions,
  type Schedule,
  trainedParameters,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import {
  type BytePairModel,
  type BytePairTokenizer,
  type CaptionIds,
  makePriorBatch,
  type PriorConfiguration,
  type PriorExample,
  priorTrainingLoss,
  tokenizerFileOf,
} from '@tesserae/transformer';
import type { GenerationSettings } from '../sampling.js';
import type { Output } from '../terminal/output.js';
import { removeCheckpoint, runTraining } from './training-run.js';
import { defaultPreviewEvery, evaluateOnce, holdBack } from './validation.js';

export interface PriorRecipe {
  readonly configuration: PriorConfiguration;
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  readonly learningRate: Schedule;
  readonly beta2: number;
  readonly muon: MuonOptions;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly ema: number;
  readonly captionDropout: number;
  /** How often merges of the captions' tokens are left out (`BytePairTokenizer.encodeWithDropout`). Absent: never. */
  readonly bpeDropout?: number;
  /** How to sample from the trained prior, unless a user says otherwise. */
  readonly generation: GenerationSettings;
}

export interface CodedPicture {
  readonly captions: readonly string[];
  readonly codes: Int32Array;
}

export interface TrainPriorOptions {
  readonly recipe: PriorRecipe;
  readonly pictures: readonly CodedPicture[];
  readonly textModel: BytePairModel;
  readonly textTokenizer: BytePairTokenizer;
  readonly modelFolder: string;
  /** How the weights are stored. */
  readonly floats: 'float32' | 'float16';
  readonly backend: Backend;
  readonly resume: boolean;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Trains stage two and writes it into the model folder as parts `prior` and `textTokenizer`. */
export async function trainPrior(options: TrainPriorOptions): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, textTokenizer, modelFolder } = options;
  const { configuration, batch, steps } = recipe;
  const key = deriveKey(keyFromSeed(recipe.seed), 'prior');
  const examplesOf = (pictures: readonly CodedPicture[], idsOf: (caption: string) => CaptionIds): PriorExample[] =>
    pictures.map(({ captions, codes }) => ({ captions: captions.map(idsOf), codes }));
  const { bpeDropout: rate } = recipe;
  const heldBack = holdBack(options.pictures, 64);
  const validation = examplesOf(heldBack.validation, textTokenizer.encode);
  const training = examplesOf(
    heldBack.training,
    rate === undefined ? textTokenizer.encode : (caption) => (drawn) => textTokenizer.encodeWithDropout(caption, { rate, key: drawn }),
  );

  const loss = priorTrainingLoss(configuration, { batch });
  const step = createTrainingStep('train prior', loss, recipe);
  const evaluation = createEvaluationStep('evaluate prior', priorTrainingLoss(configuration, { batch: validation.length }), { average: true });
  const folder = join(modelFolder, 'training', 'prior');
  let figures: Readonly<Record<string, number>> = {};
  const inputs = (from: readonly PriorExample[], size: number, at: number, captionDropout: number): Record<string, HostArray> => ({
    ...makePriorBatch(from, { configuration, batch: size, key, step: at, captionDropout }),
  });

  const state = await runTraining({
    label: 'prior',
    folder,
    backend,
    step,
    steps,
    initialState: async () => initialTrainingState(step, key),
    resume: options.resume,
    recipe: JSON.stringify(recipe),
    shown: ['textLoss', 'imageLoss'],
    output: options.output,
    signal: options.signal,
    batch: (at) => inputs(training, batch, at, recipe.captionDropout),
    evaluateEvery: defaultPreviewEvery(steps),
    evaluate: async (store, _, log) => {
      const results = await evaluateOnce(backend, evaluation, store, inputs(validation, validation.length, 0, 0));
      figures = { validationTextLoss: results.textLoss?.data[0] ?? Number.NaN, validationImageLoss: results.imageLoss?.data[0] ?? Number.NaN };
      await log(figures);
    },
  });

  await writeModelParts(modelFolder, {
    textTokenizer: { folder: 'text-tokenizer', files: { 'tokenizer.json': tokenizerFileOf(options.textModel) } },
    prior: {
      folder: 'prior',
      files: { 'config.json': configuration, 'generation.json': recipe.generation, 'training.json': { recipe, pictures: options.pictures.length, ...figures } },
      weights: { arrays: trainedParameters(step, state), floats: options.floats },
    },
  });
  await removeCheckpoint(folder);
  return figures;
}
