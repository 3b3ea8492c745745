import {
  createTrainingStep,
  deriveKey,
  type HostArray,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  type Picture,
  trainedParameters,
  uniformInteger,
  weightsFromArrays,
} from '@tesserae/core';
import { createImageTokenizer, decoderRefinementLoss, downsamplingOf } from '@tesserae/dvae';
import type { TrainImageTokenizerOptions } from './image-tokenizer-recipe.js';
import { pixelBatch } from './pixel-batch.js';
import { runTraining } from './training-run.js';

/** Pictures whose codes the decoder is refined on. */
const refinedPictures = 6000;

/** Trains the decoder alone on the codes that the finished encoder gives. `trained` are the parameters by path; gives them with a new decoder. */
export async function refineDecoder(
  options: TrainImageTokenizerOptions,
  pictures: readonly Uint8Array[],
  trained: ReadonlyMap<string, HostArray>,
  folder: string,
): Promise<Map<string, HostArray>> {
  const { recipe, backend, output, signal } = options;
  const { configuration, batch } = recipe;
  const size = configuration.imageSize;
  const grid = size / downsamplingOf(configuration);
  const key = deriveKey(keyFromSeed(recipe.seed), 'image-tokenizer-refinement');
  const chosen = pictures.slice(0, refinedPictures);
  const tokenizer = createImageTokenizer({ configuration, weights: weightsFromArrays(trained), backend, batch: 32 });
  const codes = await tokenizer.encode(
    chosen.map((data): Picture => ({ width: size, height: size, data })),
    { signal },
  );
  tokenizer.dispose();
  const step = createTrainingStep('refine decoder', decoderRefinementLoss(configuration, batch), {
    learningRate: recipe.refinement.learningRate,
    weightDecay: recipe.weightDecay,
    ...(recipe.clipNorm === undefined ? {} : { clipNorm: recipe.clipNorm }),
    ema: recipe.refinement.ema,
  });
  const decoder = new Map([...trained].filter(([name]) => step.specs.has(name)));
  const state = await runTraining({
    label: 'decoder',
    folder,
    backend,
    step,
    steps: recipe.refinement.steps,
    initialState: async () => initialTrainingState(step, decoder),
    resume: options.resume,
    recipe: JSON.stringify(recipe),
    shown: ['squaredError'],
    output,
    signal,
    batch: (at) => {
      const rows = Array.from({ length: batch }, (_, row) => uniformInteger(deriveKey(key, 'pictures', at), chosen.length, row));
      const tokens = new Int32Array(batch * grid * grid);
      rows.forEach((picture, row) => tokens.set(codes[picture] ?? [], row * grid * grid));
      return { pixels: pixelBatch(chosen, size, (row) => rows[row] ?? 0, batch), codes: int32Array([batch, grid, grid], tokens) };
    },
  });
  return new Map([...trained, ...trainedParameters(step, state)]);
}
