import { join } from 'node:path';
import { type CaptionerConfiguration, captionerTrainingLoss, captionIds } from '@tesserae/clip';
import {
  type Backend,
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  type HostArray,
  type ImageTokenizer,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  type MuonOptions,
  type Picture,
  permutation,
  type Schedule,
  type TextTokenizer,
  trainedParameters,
  uniformInteger,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import type { Output } from '../terminal/output.js';
import { pixelBatch } from './pixel-batch.js';
import { removeCheckpoint, runTraining } from './training-run.js';

export interface ScorerRecipe {
  readonly configuration: CaptionerConfiguration;
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  readonly learningRate: Schedule;
  readonly beta2: number;
  readonly muon: MuonOptions;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly ema: number;
}

export interface CaptionedPicture {
  readonly captions: readonly string[];
  /** RGB bytes of the captioner's size. */
  readonly pixels: Uint8Array;
}

export interface TrainScorerOptions {
  readonly recipe: ScorerRecipe;
  readonly pictures: readonly CaptionedPicture[];
  readonly textTokenizer: TextTokenizer;
  readonly imageTokenizer: ImageTokenizer;
  readonly modelFolder: string;
  /** How the weights are stored. */
  readonly floats: 'float32' | 'float16';
  readonly backend: Backend;
  readonly resume: boolean;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Pictures held back to see how well unseen ones are described. */
const validationShare = 0.02;
/** Pictures sent through the image tokenizer at a time. */
const reconstructionBatch = 32;

/**
 * Every second picture as the image tokenizer gives it back: what the scorer will judge is decoded from codes, and what it compares
 * it with in its mind are clean pictures.
 */
async function halfReconstructed({ pictures, imageTokenizer, recipe, output, signal }: TrainScorerOptions): Promise<Uint8Array[]> {
  const pixels = pictures.map((picture) => picture.pixels);
  const { imageSize } = recipe.configuration;
  const bar = output.progress('reconstructing pictures', Math.ceil(pixels.length / 2), 'pictures');
  try {
    for (let start = 1; start < pixels.length; start += 2 * reconstructionBatch) {
      const chosen = Array.from({ length: reconstructionBatch }, (_, index) => start + 2 * index).filter((index) => index < pixels.length);
      const batch = chosen.map((index): Picture => ({ width: imageSize, height: imageSize, data: pixels[index] ?? new Uint8Array() }));
      const again = await imageTokenizer.decode(await imageTokenizer.encode(batch, { signal }), imageTokenizer.grid, { signal });
      again.forEach((picture, index) => {
        pixels[chosen[index] ?? 0] = picture.data;
      });
      bar.update(Math.ceil((start + 2 * chosen.length) / 2));
    }
    return pixels;
  } finally {
    bar.end();
  }
}

/** Trains a captioner as the scorer of candidates and writes it into the model folder as part `scorer`. */
export async function trainScorer(options: TrainScorerOptions): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, modelFolder, pictures, textTokenizer } = options;
  const { configuration, batch, steps } = recipe;
  const key = deriveKey(keyFromSeed(recipe.seed), 'scorer');
  const pixels = await halfReconstructed(options);
  const captions = pictures.map((picture) => picture.captions.map((caption) => captionIds(configuration, textTokenizer.encode(caption))));
  const held = Math.max(1, Math.min(64, Math.floor(pictures.length * validationShare)));
  const trained = Math.max(1, pictures.length - held);
  // A set of one picture is its own validation.
  const firstTrained = pictures.length > held ? held : 0;

  const step = createTrainingStep('train scorer', captionerTrainingLoss(configuration, { batch }), recipe);
  const evaluation = createEvaluationStep('evaluate scorer', captionerTrainingLoss(configuration, { batch: held }), { average: true });
  const folder = join(modelFolder, 'training', 'scorer');
  let figures: Readonly<Record<string, number>> = {};

  const inputs = (chosen: readonly number[], captionOf: (row: number, count: number) => number): Record<string, HostArray> => {
    const { textLength } = configuration;
    const text = new Int32Array(chosen.length * textLength);
    chosen.forEach((index, row) => {
      const known = captions[index] ?? [];
      text.set(known[captionOf(row, Math.max(1, known.length))] ?? captionIds(configuration, []), row * textLength);
    });
    return { pixels: pixelBatch(pixels, configuration.imageSize, (row) => chosen[row] ?? 0, chosen.length), text: int32Array([chosen.length, textLength], text) };
  };
  let epoch = -1;
  let order: Int32Array = new Int32Array();
  const batchAt = (at: number): Record<string, HostArray> => {
    const chosen = Array.from({ length: batch }, (_, row) => {
      const turn = at * batch + row;
      if (Math.floor(turn / trained) !== epoch) {
        epoch = Math.floor(turn / trained);
        order = permutation(deriveKey(key, 'order', epoch), trained);
      }
      return firstTrained + (order[turn % trained] ?? 0);
    });
    return inputs(chosen, (row, count) => uniformInteger(deriveKey(key, 'caption', at), count, row));
  };

  const state = await runTraining({
    label: 'scorer',
    folder,
    backend,
    step,
    steps,
    initialState: async () => initialTrainingState(step, key),
    resume: options.resume,
    recipe: JSON.stringify(recipe),
    shown: ['loss'],
    output: options.output,
    signal: options.signal,
    batch: batchAt,
    evaluateEvery: Math.max(1, Math.min(500, Math.floor(steps / 4))),
    evaluate: async (store, _, log) => {
      const program = await backend.compile(evaluation, { state: store });
      try {
        const results = await program.run(
          inputs(
            Array.from({ length: held }, (__, index) => index),
            () => 0,
          ),
        );
        figures = { validationCaptionLoss: results.loss?.data[0] ?? Number.NaN };
        await log(figures);
      } finally {
        program.dispose();
      }
    },
  });
  await writeModelParts(modelFolder, {
    scorer: {
      folder: 'scorer',
      files: { 'config.json': configuration, 'training.json': { recipe, pictures: pictures.length, ...figures } },
      weights: { arrays: trainedParameters(step, state), floats: options.floats },
    },
  });
  await removeCheckpoint(folder);
  return figures;
}
