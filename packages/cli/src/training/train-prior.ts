import { join } from 'node:path';
import {
  type Backend,
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  type HostArray,
  type ImageTokenizer,
  initialTrainingState,
  keyFromSeed,
  type MuonOptions,
  type Picture,
  type PlateauSchedule,
  type Schedule,
  trainedParameters,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import {
  type BytePairModel,
  type BytePairTokenizer,
  batchExamples,
  type CaptionIds,
  makePriorBatch,
  type PriorConfiguration,
  type PriorExample,
  type PriorLossOptions,
  priorTrainingLoss,
  tokenizerFileOf,
} from '@tesserae/transformer';
import type { GenerationSettings } from '../sampling.js';
import type { Output } from '../terminal/output.js';
import { augmentedCodes } from './augmented-codes.js';
import { describeRecipe } from './describe-recipe.js';
import { samplePictures, type WantedSamples } from './sample-pictures.js';
import { removeCheckpoint, runTraining } from './training-run.js';
import { defaultPreviewEvery, evaluateOnce, holdBack } from './validation.js';

export interface PriorRecipe {
  readonly configuration: PriorConfiguration;
  readonly steps: number;
  readonly batch: number;
  /** Batches an update is the mean of, where there are several. */
  readonly accumulate?: number;
  readonly seed: number;
  /** Every picture is augmented anew whenever it is met (`augmentCaptionedPicture`), and its codes made of that. */
  readonly augment?: boolean;
  readonly learningRate: Schedule | PlateauSchedule;
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
  /** The whole picture, where the recipe augments. */
  readonly original?: Picture;
}

export interface TrainPriorOptions {
  readonly recipe: PriorRecipe;
  readonly recompute: NonNullable<PriorLossOptions['recompute']>;
  readonly pictures: readonly CodedPicture[];
  readonly textModel: BytePairModel;
  readonly textTokenizer: BytePairTokenizer;
  /** What made the codes. */
  readonly imageTokenizer: ImageTokenizer;
  /** Default: none. */
  readonly samples?: WantedSamples;
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
  const { recipe, backend, textTokenizer, imageTokenizer, modelFolder, signal } = options;
  const { configuration, batch, steps, accumulate = 1 } = recipe;
  const key = deriveKey(keyFromSeed(recipe.seed), 'prior');
  const examplesOf = (pictures: readonly CodedPicture[], idsOf: (caption: string) => CaptionIds): PriorExample[] =>
    pictures.map(({ captions, codes }) => ({ captions: captions.map(idsOf), codes }));
  const { bpeDropout: rate } = recipe;
  const held = holdBack(options.pictures, 64);
  const validation = examplesOf(held.validation, textTokenizer.encode);
  const training = examplesOf(held.training, rate === undefined ? textTokenizer.encode : (caption) => (drawn) => textTokenizer.encodeWithDropout(caption, { rate, key: drawn }));

  const loss = priorTrainingLoss(configuration, { batch, recompute: options.recompute });
  const step = createTrainingStep('train prior', loss, recipe);
  const evaluation = createEvaluationStep('evaluate prior', priorTrainingLoss(configuration, { batch: validation.length }), { average: true });
  const folder = join(modelFolder, 'training', 'prior');
  let figures: Readonly<Record<string, number>> = {};
  const inputs = (from: readonly PriorExample[], size: number, at: number, captionDropout: number): Record<string, HostArray> => ({
    ...makePriorBatch(from, { configuration, batch: size, key, step: at, captionDropout }),
  });
  /** The inputs of one of an update's batches. Those that accumulate one update are together what a batch of their whole size would be. */
  const trainingBatch = async (at: number, part: number): Promise<Record<string, HostArray>> => {
    const turn = at * accumulate + part;
    const plain = inputs(training, batch, turn, recipe.captionDropout);
    if (recipe.augment !== true) return plain;
    const originals = batchExamples(training.length, { key, step: turn, batch }).flatMap((index) => held.training[index]?.original ?? []);
    return { ...plain, codes: await augmentedCodes(originals, { tokenizer: imageTokenizer, key: deriveKey(key, 'augment', turn), signal }) };
  };

  options.output.note(`prior: ${describeRecipe(recipe)}`);
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
    signal,
    batch: trainingBatch,
    looks:
      options.samples === undefined
        ? []
        : [
            samplePictures({
              samples: options.samples,
              step,
              configuration,
              generation: recipe.generation,
              seed: recipe.seed,
              imageTokenizer,
              textTokenizer,
              backend,
              folder,
              signal,
            }),
          ],
    evaluateEvery: defaultPreviewEvery(steps),
    evaluate: async (store, _, log) => {
      const results = await evaluateOnce(backend, evaluation, store, inputs(validation, validation.length, 0, 0));
      const validationImageLoss = results.imageLoss?.data[0] ?? Number.NaN;
      figures = { validationTextLoss: results.textLoss?.data[0] ?? Number.NaN, validationImageLoss, validationBitsPerImageToken: validationImageLoss / Math.LN2 };
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
