import type { Schedule } from '@tesserae/core';
import type { DvaeConfiguration, ImageTokenizerConfiguration, MapReconstruction } from '@tesserae/dvae';
import { type DvaeRelativeRecipe, dvaeRelativeRecipe, publishedRelativeRecipe } from '../../packages/cli/src/training/dvae-relative-recipes.js';
import type { ImageTokenizerRecipe } from '../../packages/cli/src/training/image-tokenizer-recipe.js';
import { type ImageTokenizerChoices, paperRecipe } from '../../packages/cli/src/training/recipes.js';

export const [size, codebookSize, batch] = [64, 512, 16];

/** The paper's autoencoder with numbers in place of codes. */
export interface ContinuousRecipe {
  readonly configuration: DvaeConfiguration;
  readonly objective: MapReconstruction;
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  readonly learningRate: Schedule;
  readonly weightDecay: number;
  readonly ema: number;
}

/** One training of the comparison. */
export type Contestant = { readonly name: string; readonly title: string } & (
  | { readonly how: 'dvae'; readonly recipe: ImageTokenizerRecipe }
  | { readonly how: 'relative'; readonly recipe: DvaeRelativeRecipe & { readonly configuration: ImageTokenizerConfiguration } }
  | { readonly how: 'continuous'; readonly recipe: ContinuousRecipe }
);

/** Everything that is alike: pictures, size, codes, updates, batch. */
const choices = (steps: number): ImageTokenizerChoices => ({
  size,
  codebookSize,
  hidden: 16,
  downsampling: 8,
  blocksPerGroup: 1,
  steps,
  warmUpSteps: 0,
  refinementSteps: 0,
  batch,
  learningRate: 1e-4,
  seed: 1,
  augment: false,
  seamless: false,
});

/**
 * The trainings that are compared, each of `steps` updates in all and of about 243,000 numbers; widths that differ make up for what the others'
 * codebooks cost.
 */
export function contestants(steps: number): readonly Contestant[] {
  const common = choices(steps);
  // Half of the updates make the autoencoder that the codebook is taken from.
  const half = Math.floor(steps / 2);
  // Codebook vectors as long as the continuous bottleneck; the published 128 would be most of so small a model.
  const narrow = (recipe: ImageTokenizerRecipe): ImageTokenizerRecipe => ({ ...recipe, configuration: { ...recipe.configuration, decoderInput: 32 } });
  const paper = narrow(paperRecipe({ ...common, steps: steps - half, warmUpSteps: half }));
  const vqVae = dvaeRelativeRecipe('vq-vae', { ...common, learningRate: 3e-3 });
  const strided = publishedRelativeRecipe('strided-dvae', { ...common, hidden: 40, learningRate: 1e-3 });
  if (vqVae.configuration.kind !== 'vq-vae' || strided.configuration.kind !== 'strided-dvae') throw new RangeError('The recipes are of other kinds.');
  return [
    { name: 'paper', title: "the paper's dVAE, after a warm-up", how: 'dvae', recipe: paper },
    {
      name: 'vq-vae',
      title: 'VQ-VAE, running means and revival',
      how: 'relative',
      recipe: { ...vqVae, configuration: { ...vqVae.configuration, decoderInput: 112 } } as DvaeRelativeRecipe,
    },
    {
      name: 'dalle-pytorch',
      title: "DALLE-pytorch's DiscreteVAE, its defaults",
      how: 'relative',
      recipe: { ...strided, configuration: { ...strided.configuration, codeWidth: 56 } } as DvaeRelativeRecipe,
    },
    {
      name: 'continuous',
      title: 'no codebook: 32 numbers a place',
      how: 'continuous',
      recipe: {
        configuration: paper.configuration,
        objective: { reconstruction: 'logit-laplace' },
        steps,
        batch,
        seed: common.seed,
        learningRate: { kind: 'warmup-cosine', peak: 3e-3, warmup: 30, final: 3e-5, steps },
        weightDecay: 1e-4,
        ema: paper.ema,
      },
    },
    { name: 'paper-as-written', title: "the paper's recipe, only shortened", how: 'dvae', recipe: narrow(paperRecipe(common)) },
  ];
}
