import type { Backend, Picture, Schedule } from '@tesserae/core';
import type { DvaeConfiguration } from '@tesserae/dvae';
import type { Output } from '../terminal/output.js';

/** Everything that decides the trained weights, apart from the pictures. */
export interface ImageTokenizerRecipe {
  readonly configuration: DvaeConfiguration;
  /** Updates of the paper's relaxed objective, between warm-up and refinement; 0 leaves it out. */
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  /** Updates of the plain autoencoder that the codebook is made from (`dvaeWarmUpLoss`), and their step size. */
  readonly warmUp: { readonly steps: number; readonly learningRate: Schedule };
  /** How much a code must be worth to be used where a more frequent one is near (`DvaeInitialisation`). */
  readonly rateWeight: number;
  /** Updates of the decoder alone on the finished codes (`decoderRefinementLoss`). */
  readonly refinement: { readonly steps: number; readonly learningRate: Schedule; readonly ema: number };
  readonly learningRate: Schedule;
  readonly temperature: Schedule;
  readonly klWeight: Schedule;
  /** Smallest ln b of the likelihood; see `DvaeObjective`. */
  readonly minimumLogScale?: number;
  /** Weight of the codebook's even use. */
  readonly usageWeight?: number;
  /** AdamW's. Default 0.9, 0.999 and 1e-8. */
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay: number;
  readonly clipNorm?: number;
  readonly ema: number;
  /** Whether every update crops, scales and mirrors its pictures anew (`augmentPicture`). Default false. */
  readonly augment?: boolean;
}

export interface TrainImageTokenizerOptions {
  readonly recipe: ImageTokenizerRecipe;
  /** RGB bytes of pictures of the configuration's size. */
  readonly pictures: readonly Uint8Array[];
  /** The whole pictures, in the same order; needed where the recipe augments. */
  readonly originals?: readonly Picture[];
  readonly modelFolder: string;
  /** Updates between two looks at unseen pictures: their figures, and a strip of originals and reconstructions. Default: four looks, or one every 500. */
  readonly previewEvery?: number;
  /** How the weights are stored. */
  readonly floats: 'float32' | 'float16';
  readonly backend: Backend;
  readonly resume: boolean;
  readonly output: Output;
  readonly signal: AbortSignal;
}
