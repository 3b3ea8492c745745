import { join } from 'node:path';
import { type CaptionerConfiguration, captionerTrainingLoss, captionIds } from '@tesserae/clip';
import {
  type Backend,
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  epochOrder,
  type HostArray,
  type ImageTokenizer,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  type MuonOptions,
  type Picture,
  type Schedule,
  type TextTokenizer,
  trainedParameters,
  uniformInteger,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import type { Output } from '../terminal/output.js';
import { pixelBatch } from './pixel-batch.js';
import { removeCheckpoint, runTraining } from './training-run.js';
import { defaultPreviewEvery, evaluateOnce, holdBack } from './validation.js';

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
  const examples = pictures.map((picture, index) => ({
    pixels: pixels[index] ?? new Uint8Array(),
    captions: picture.captions.map((caption) => captionIds(configuration, textTokenizer.encode(caption))),
  }));
  const { validation, training } = holdBack(examples, 64);

  const step = createTrainingStep('train scorer', captionerTrainingLoss(configuration, { batch }), recipe);
  const evaluation = createEvaluationStep('evaluate scorer', captionerTrainingLoss(configuration, { batch: validation.length }), { average: true });
  const folder = join(modelFolder, 'training', 'scorer');
  let figures: Readonly<Record<string, number>> = {};

  const inputs = (chosen: typeof examples, captionOf: (row: number, count: number) => number): Record<string, HostArray> => {
    const { textLength, imageSize } = configuration;
    const text = new Int32Array(chosen.length * textLength);
    chosen.forEach(({ captions }, row) => {
      text.set(captions[captionOf(row, Math.max(1, captions.length))] ?? captionIds(configuration, []), row * textLength);
    });
    const seen = chosen.map((example) => example.pixels);
    return { pixels: pixelBatch(seen, imageSize, (row) => row, chosen.length), text: int32Array([chosen.length, textLength], text) };
  };
  const exampleOf = epochOrder(key, training.length);
  const batchAt = (at: number): Record<string, HostArray> => {
    const chosen = Array.from({ length: batch }, (_, row) => training[exampleOf(at * batch + row)]).flatMap((example) => example ?? []);
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
    evaluateEvery: defaultPreviewEvery(steps),
    evaluate: async (store, _, log) => {
      const results = await evaluateOnce(
        backend,
        evaluation,
        store,
        inputs([...validation], () => 0),
      );
      figures = { validationCaptionLoss: results.loss?.data[0] ?? Number.NaN };
      await log(figures);
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
