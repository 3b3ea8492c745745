import type { PlateauSchedule, Schedule } from '@tesserae/core';
import { type DvaeShape, paperDvae } from '@tesserae/dvae';
import type { PriorConfiguration } from '@tesserae/transformer';
import type { ImageTokenizerRecipe } from './image-tokenizer-recipe.js';
import type { PriorRecipe } from './train-prior.js';
import type { ScorerRecipe } from './train-scorer.js';

/** What `tesserae train` may be told about stage one. */
export interface ImageTokenizerChoices {
  readonly size: number;
  readonly codebookSize: number;
  readonly hidden: number;
  /** Pixels a code is wide and high; a power of 2. */
  readonly downsampling: number;
  readonly blocksPerGroup: number;
  readonly steps: number;
  readonly warmUpSteps: number;
  readonly refinementSteps: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
  /** Pictures are cropped, scaled and mirrored at random (`augmentPicture`). */
  readonly augment: boolean;
  /** The model's convolutions wrap around (`DvaeShape.seamless`). */
  readonly seamless: boolean;
}

/** The paper's encoder and decoder, as wide and deep as asked for. */
export function dvaeShape({ size, codebookSize, hidden, downsampling, blocksPerGroup, seamless }: ImageTokenizerChoices): DvaeShape {
  return {
    imageSize: size,
    codebookSize,
    hidden,
    groups: Math.log2(downsampling) + 1,
    blocksPerGroup,
    decoderInput: 2 * hidden,
    ...(seamless ? { seamless } : {}),
  };
}

/** What every recipe takes over as it is. */
export function sharedChoices({ steps, batch, seed, augment }: ImageTokenizerChoices) {
  return { steps, batch, seed, ...(augment ? { augment } : {}) };
}

/** The paper's 0.999 for its millions of updates; a short training's average must not reach back to its beginning. */
export const averageOver = (steps: number): number => Math.min(0.999, 1 - 10 / Math.max(20, steps));

/**
 * The paper's recipe (Appendix A) scaled to a training of `steps` updates instead of three million: temperature and step
 * size fall by the same curves, over shares of the training that a small model can afford. β stays small: 6.6 is for
 * natural pictures, whose codes are far from certain; drawings lose their rare codes to it.
 */
export function imageTokenizerRecipe(choices: ImageTokenizerChoices): ImageTokenizerRecipe {
  const { steps, blocksPerGroup, warmUpSteps, refinementSteps, learningRate } = choices;
  return {
    ...sharedChoices(choices),
    configuration: { kind: 'dvae', ...dvaeShape(choices), residualGain: 0.5 / blocksPerGroup },
    warmUp: warmUpFor(warmUpSteps, learningRate),
    rateWeight: 1,
    refinement: refinementFor(refinementSteps, learningRate),
    learningRate: { kind: 'warmup-cosine', peak: learningRate, warmup: Math.min(100, Math.ceil(steps / 10)), final: learningRate / 80, steps },
    temperature: { kind: 'cosine', from: 1, to: 1 / 16, steps: Math.ceil(steps * 0.5) },
    klWeight: { kind: 'cosine', from: 0, to: 0.2, steps: Math.ceil(steps * 0.1) },
    minimumLogScale: -2,
    usageWeight: 0.02,
    weightDecay: 1e-4,
    clipNorm: 10,
    ema: averageOver(steps),
  };
}

const warmUpFor = (steps: number, learningRate: number): ImageTokenizerRecipe['warmUp'] => ({
  steps,
  learningRate: { kind: 'warmup-cosine', peak: 6 * learningRate, warmup: Math.min(30, Math.ceil(steps / 10)), final: learningRate / 3, steps },
});

const refinementFor = (steps: number, learningRate: number): ImageTokenizerRecipe['refinement'] => ({
  steps,
  learningRate: { kind: 'warmup-cosine', peak: 3 * learningRate, warmup: Math.min(30, Math.ceil(steps / 10)), final: learningRate / 10, steps },
  ema: averageOver(steps),
});

/** The practical recipe's step size where none is asked for. */
export const defaultRate = 5e-4;

/** Updates of the published training, and how long its schedules last (paper, Appendix A.2). */
const published = { steps: 3_000_000, learningRate: 1_200_000, temperature: 150_000, klWeight: 5_000 } as const;

/**
 * Appendix A of the paper as it is written: no likelihood floor, no push towards even use, gradients not clipped, AdamW (0.9, 0.999, 1e-8)
 * with decay 1e-4, an average of 0.999 (over fewer updates where there are few). `steps` stand for its 3,000,000: every schedule lasts the
 * same share of them, so β is at 6.6 after 0.17 %, τ at 1/16 after 5 %, and the step size 1/80 of its beginning after 40 %. The
 * published step size is 1e-4.
 *
 * Warm-up and refinement are not in the paper. Short trainings need the first: from random weights the codebook collapses
 * (docs/image-tokenizers.md). With it residual blocks are scaled as in the practical recipe, and it has that recipe's step size.
 */
export function paperRecipe(choices: ImageTokenizerChoices): ImageTokenizerRecipe {
  const { steps, blocksPerGroup, warmUpSteps, refinementSteps, learningRate } = choices;
  const lasting = (updates: number): number => Math.max(1, Math.round((updates / published.steps) * steps));
  return {
    ...sharedChoices(choices),
    configuration: { kind: 'dvae', ...dvaeShape(choices), decoderInput: paperDvae.decoderInput, ...(warmUpSteps === 0 ? {} : { residualGain: 0.5 / blocksPerGroup }) },
    warmUp: warmUpFor(warmUpSteps, defaultRate),
    rateWeight: 0,
    refinement: refinementFor(refinementSteps, learningRate),
    learningRate: { kind: 'cosine', from: learningRate, to: learningRate / 80, steps: lasting(published.learningRate) },
    temperature: { kind: 'cosine', from: 1, to: 1 / 16, steps: lasting(published.temperature) },
    klWeight: { kind: 'cosine', from: 0, to: 6.6, steps: lasting(published.klWeight) },
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 1e-4,
    ema: averageOver(steps),
  };
}

export interface PriorChoices {
  readonly grid: { readonly rows: number; readonly columns: number };
  readonly codebookSize: number;
  readonly textVocabularySize: number;
  readonly textLength: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly attention: PriorConfiguration['attention'];
  /** Default 0. */
  readonly bpeDropout?: number;
  readonly steps: number;
  readonly batch: number;
  /** Batches an update is the mean of. */
  readonly accumulate: number;
  readonly learningRate: number;
  readonly schedule: 'cosine' | 'plateau';
  /** Of the plateaus; default a twentieth of the training. */
  readonly plateauWindow?: number;
  readonly captionDropout: number;
  /** Pictures are scaled and cropped at random (`augmentCaptionedPicture`). */
  readonly augment: boolean;
  readonly seed: number;
}

/**
 * How the prior's step size goes after its warm-up. Halving, five times at most, is the paper's; when, it leaves open: here, where the mean
 * loss of a twentieth of the training is not half a percent below the lowest before.
 */
function priorSchedule({ schedule, plateauWindow, learningRate, steps }: PriorChoices): Schedule | PlateauSchedule {
  const warmup = Math.min(200, Math.ceil(steps / 10));
  switch (schedule) {
    case 'cosine':
      return { kind: 'warmup-cosine', peak: learningRate, warmup, final: learningRate / 30, steps };
    case 'plateau':
      return { kind: 'warmup-plateau', peak: learningRate, warmup, window: plateauWindow ?? Math.ceil(steps / 20), improvement: 0.005, halvings: 5 };
    default:
      return schedule satisfies never;
  }
}

/**
 * Appendix B of the paper at a small scale: AdamW (0.9, 0.96), decay 4.5e-2, clipping at 4, warm-up, average 0.99. The
 * blocks' matrices are Muon's, which gets as far in half the updates or fewer (docs/decisions/0006).
 */
export function priorRecipe(choices: PriorChoices): PriorRecipe {
  const { steps, batch, accumulate, seed, captionDropout, bpeDropout = 0, augment, grid, codebookSize, textVocabularySize, textLength, width, layers, heads, attention } = choices;
  return {
    configuration: { kind: 'prior', textLength, width, layers, heads, attention, grid, codebookSize, textVocabularySize },
    steps,
    batch,
    ...(accumulate === 1 ? {} : { accumulate }),
    seed,
    ...(augment ? { augment } : {}),
    learningRate: priorSchedule(choices),
    beta2: 0.96,
    muon: { under: 'blocks' },
    weightDecay: 4.5e-2,
    clipNorm: 4,
    ema: 0.99,
    captionDropout,
    ...(bpeDropout > 0 ? { bpeDropout } : {}),
    // Captions are dropped in training, so guidance works; the tail of a short training's distribution is noise.
    generation: { guidance: 1.7, temperature: 0.4, topP: 0.95 },
  };
}

export interface ScorerChoices {
  readonly size: number;
  readonly textVocabularySize: number;
  readonly textLength: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** A captioner learns from every word of every picture, so that a few thousand updates do; optimised like the prior. */
export function scorerRecipe(choices: ScorerChoices): ScorerRecipe {
  const { size, textVocabularySize, textLength, width, layers, heads, steps, batch, learningRate, seed } = choices;
  return {
    configuration: { kind: 'captioner', imageSize: size, patch: 8, width, layers, heads, textVocabularySize, textLength },
    steps,
    batch,
    seed,
    learningRate: { kind: 'warmup-cosine', peak: learningRate, warmup: Math.min(200, Math.ceil(steps / 10)), final: learningRate / 30, steps },
    beta2: 0.98,
    muon: { under: 'blocks' },
    weightDecay: 4.5e-2,
    clipNorm: 4,
    ema: averageOver(steps),
  };
}
