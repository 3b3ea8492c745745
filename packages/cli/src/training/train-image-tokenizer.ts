import { join } from 'node:path';
import {
  type Backend,
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  float32Array,
  type HostArray,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  type Picture,
  type Schedule,
  trainedParameters,
  uniformArray,
  uniformInteger,
  weightsFromArrays,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import {
  codebookUsage,
  createDvaeTokenizer,
  type DvaeConfiguration,
  decoderRefinementLoss,
  downsamplingOf,
  dvaeTrainingLoss,
  dvaeValidationLoss,
  dvaeWarmUpLoss,
  initialiseDvae,
  pictureFromPlanes,
  planarPixels,
} from '@tesserae/dvae';
import { writeStrip } from '../pictures.js';
import type { Output } from '../terminal/output.js';
import { removeCheckpoint, runTraining } from './training-run.js';

/** Everything that decides the trained weights, apart from the pictures. */
export interface ImageTokenizerRecipe {
  readonly configuration: DvaeConfiguration;
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  /** Updates of the plain autoencoder that the codebook is made from (`dvaeWarmUpLoss`), and their step size. */
  readonly warmUp: { readonly steps: number; readonly learningRate: Schedule };
  /** Updates of the decoder alone on the finished codes (`decoderRefinementLoss`). */
  readonly refinement: { readonly steps: number; readonly learningRate: Schedule };
  readonly learningRate: Schedule;
  readonly temperature: Schedule;
  readonly klWeight: Schedule;
  /** Smallest ln b of the likelihood; see `DvaeObjective`. */
  readonly minimumLogScale?: number;
  /** Weight of the codebook's even use. */
  readonly usageWeight?: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly ema: number;
}

export interface TrainImageTokenizerOptions {
  readonly recipe: ImageTokenizerRecipe;
  /** RGB bytes of pictures of the configuration's size. */
  readonly pictures: readonly Uint8Array[];
  readonly modelFolder: string;
  /** How the weights are stored. */
  readonly floats: 'float32' | 'float16';
  readonly backend: Backend;
  readonly resume: boolean;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Bottleneck vectors that are clustered into the first codebook. */
const clusteredVectors = 50_000;

/** Pictures held back to see how well unseen ones come back. */
const validationShare = 0.02;

function pixelBatch(pictures: readonly Uint8Array[], size: number, choose: (row: number) => number, batch: number): HostArray {
  const pixels = new Float32Array(batch * 3 * size * size);
  for (let row = 0; row < batch; row += 1) {
    const picture = pictures[choose(row)];
    if (picture !== undefined) planarPixels(picture, pixels, row * 3 * size * size);
  }
  return float32Array([batch, 3, size, size], pixels);
}

/** Trains the autoencoder that the first codebook is made from. Has a checkpoint of its own. */
async function warmUp(options: TrainImageTokenizerOptions, pictures: readonly Uint8Array[], folder: string): Promise<ReadonlyMap<string, HostArray>> {
  const { recipe, backend, output, signal } = options;
  const { configuration, batch } = recipe;
  const key = deriveKey(keyFromSeed(recipe.seed), 'image-tokenizer-warm-up');
  const step = createTrainingStep('warm up image tokenizer', dvaeWarmUpLoss(configuration, batch), {
    learningRate: recipe.warmUp.learningRate,
    weightDecay: recipe.weightDecay,
    clipNorm: recipe.clipNorm,
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
    batch: (at) => ({ pixels: pixelBatch(pictures, configuration.imageSize, (row) => uniformInteger(deriveKey(key, 'pictures', at), pictures.length, row), batch) }),
  });
  return trainedParameters(step, state);
}

/** Pictures whose codes the decoder is refined on. */
const refinedPictures = 6000;

/** Trains the decoder alone on the codes that the finished encoder gives. `trained` are the parameters by path; gives them with a new decoder. */
export async function refineDecoder(options: TrainImageTokenizerOptions, trained: ReadonlyMap<string, HostArray>): Promise<Map<string, HostArray>> {
  const { recipe, backend, output, signal, modelFolder } = options;
  const { configuration, batch } = recipe;
  const size = configuration.imageSize;
  const grid = size / downsamplingOf(configuration);
  const key = deriveKey(keyFromSeed(recipe.seed), 'image-tokenizer-refinement');
  const held = validationCount(options);
  const pictures = options.pictures.slice(held, held + refinedPictures);
  const chosen = pictures.length > 0 ? pictures : options.pictures;
  const tokenizer = createDvaeTokenizer({ configuration, weights: weightsFromArrays(trained), backend, batch: 32 });
  const codes = await tokenizer.encode(
    chosen.map((data): Picture => ({ width: size, height: size, data })),
    { signal },
  );
  tokenizer.dispose();
  const step = createTrainingStep('refine decoder', decoderRefinementLoss(configuration, batch), {
    learningRate: recipe.refinement.learningRate,
    weightDecay: recipe.weightDecay,
    clipNorm: recipe.clipNorm,
    ema: recipe.ema,
  });
  const folder = join(modelFolder, 'training', 'decoder');
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

function validationCount({ pictures, recipe }: Pick<TrainImageTokenizerOptions, 'pictures' | 'recipe'>): number {
  return Math.max(1, Math.min(recipe.batch, Math.floor(pictures.length * validationShare)));
}

/** Trains stage one and writes it into the model folder as part `imageTokenizer`. Gives the last validation figures. */
export async function trainImageTokenizer(options: TrainImageTokenizerOptions): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, output, signal, modelFolder } = options;
  const { configuration, batch, steps } = recipe;
  const size = configuration.imageSize;
  const grid = size / downsamplingOf(configuration);
  const key = deriveKey(keyFromSeed(recipe.seed), 'image-tokenizer');
  const held = validationCount(options);
  const validation = options.pictures.slice(0, held);
  const training = options.pictures.length > held ? options.pictures.slice(held) : options.pictures;

  const step = createTrainingStep('train image tokenizer', dvaeTrainingLoss(configuration, batch, recipe), recipe);
  const evaluation = createEvaluationStep('evaluate image tokenizer', dvaeValidationLoss(configuration, held, recipe), { average: true });
  const folder = join(modelFolder, 'training', 'image-tokenizer');
  let figures: Readonly<Record<string, number>> = {};

  const state = await runTraining({
    label: 'image tokenizer',
    folder,
    backend,
    step,
    steps,
    initialState: async () => {
      const warm = await warmUp(options, training, join(modelFolder, 'training', 'image-tokenizer-warm-up'));
      const some = Math.min(training.length, Math.ceil(clusteredVectors / grid ** 2));
      const pixels = pixelBatch(training, size, (row) => row, some);
      return initialTrainingState(step, await initialiseDvae(configuration, step.specs.values(), warm, pixels, backend, key));
    },
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
    evaluate: async (store, at, log) => {
      const program = await backend.compile(evaluation, { state: store });
      try {
        const results = await program.run({ pixels: pixelBatch(validation, size, (row) => row, held) });
        const usage = codebookUsage(results.codeCounts?.data ?? []);
        const squaredError = results.squaredError?.data[0] ?? Number.NaN;
        figures = { validationLoss: results.loss?.data[0] ?? Number.NaN, psnr: -10 * Math.log10(squaredError), usedCodes: usage.used, perplexity: usage.perplexity };
        await log(figures);
        const planes = results.pictures?.data as Float32Array;
        const originals = validation.slice(0, 8).map((data): Picture => ({ width: size, height: size, data }));
        const again = originals.map((_, index) => pictureFromPlanes(planes, index * 3 * size * size, size, size));
        await writeStrip(join(folder, `reconstructions-${String(at).padStart(6, '0')}.png`), [originals, again]);
      } finally {
        program.dispose();
      }
    },
  });

  await writeModelParts(modelFolder, {
    imageTokenizer: {
      folder: 'image-tokenizer',
      files: { 'config.json': configuration, 'training.json': { recipe, pictures: options.pictures.length, ...figures } },
      weights: { arrays: await refineDecoder(options, trainedParameters(step, state)), floats: options.floats },
    },
  });
  await removeCheckpoint(folder);
  for (const name of ['image-tokenizer-warm-up', 'decoder']) await removeCheckpoint(join(modelFolder, 'training', name));
  return figures;
}
