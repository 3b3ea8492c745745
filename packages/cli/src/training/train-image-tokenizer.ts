import { join } from 'node:path';
import {
  createEvaluationStep,
  createTrainingStep,
  deriveKey,
  float32Array,
  type HostArray,
  initialTrainingState,
  keyFromSeed,
  type Picture,
  type StateStore,
  trainedParameters,
  uniformArray,
  uniformInteger,
} from '@tesserae/core';
import { writeModelParts } from '@tesserae/core/node';
import { codebookUsage, downsamplingOf, dvaeTrainingLoss, dvaeValidationLoss, initialiseDvae, pictureFromPlanes } from '@tesserae/dvae';
import { writeStrip } from '../pictures.js';
import type { TrainImageTokenizerOptions } from './image-tokenizer-recipe.js';
import { pixelBatch } from './pixel-batch.js';
import { refineDecoder } from './refine-decoder.js';
import { removeCheckpoint, runTraining } from './training-run.js';
import { warmUpImageTokenizer } from './warm-up-image-tokenizer.js';

/** Pictures whose bottleneck vectors are clustered into the first codebook. */
const clusteredPictures = 2000;

/** Pictures held back to see how well unseen ones come back. */
const validationShare = 0.02;

/** Trains stage one and writes it into the model folder as part `imageTokenizer`. Gives the last validation figures. */
export async function trainImageTokenizer(options: TrainImageTokenizerOptions): Promise<Readonly<Record<string, number>>> {
  const { recipe, backend, output, signal, modelFolder } = options;
  const { configuration, batch, steps } = recipe;
  const size = configuration.imageSize;
  const grid = size / downsamplingOf(configuration);
  const key = deriveKey(keyFromSeed(recipe.seed), 'image-tokenizer');
  const held = Math.max(1, Math.min(batch, Math.floor(options.pictures.length * validationShare)));
  const validation = options.pictures.slice(0, held);
  const training = options.pictures.length > held ? options.pictures.slice(held) : options.pictures;

  const step = createTrainingStep('train image tokenizer', dvaeTrainingLoss(configuration, batch, recipe), recipe);
  const evaluation = createEvaluationStep('evaluate image tokenizer', dvaeValidationLoss(configuration, held, recipe), { average: true });
  const folderOf = (name: string): string => join(modelFolder, 'training', name);
  const [folder, warmUpFolder, decoderFolder] = [folderOf('image-tokenizer'), folderOf('image-tokenizer-warm-up'), folderOf('decoder')] as const;

  /** How unseen pictures come back through hard codes, by the averaged parameters of a store; a strip of them goes to `file`. */
  const measure = async (store: StateStore, file: string): Promise<Readonly<Record<string, number>>> => {
    const program = await backend.compile(evaluation, { state: store });
    try {
      const results = await program.run({ pixels: pixelBatch(validation, size, (row) => row, held) });
      const usage = codebookUsage(results.codeCounts?.data ?? []);
      const planes = results.pictures?.data as Float32Array;
      const originals = validation.slice(0, 8).map((data): Picture => ({ width: size, height: size, data }));
      const again = originals.map((_, index) => pictureFromPlanes(planes, index * 3 * size * size, size, size));
      await writeStrip(file, [originals, again]);
      return {
        validationLoss: results.loss?.data[0] ?? Number.NaN,
        psnr: -10 * Math.log10(results.squaredError?.data[0] ?? Number.NaN),
        usedCodes: usage.used,
        perplexity: usage.perplexity,
      };
    } finally {
      program.dispose();
    }
  };

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
