import type { Schedule } from '@tesserae/core';
import type { QuantizerLossOptions, StridedDvaeConfiguration, StridedDvaeObjective, VqganConfiguration, VqganObjective, VqVaeConfiguration, VqVaeObjective } from '@tesserae/dvae';
import { averageOver, dvaeShape, type ImageTokenizerChoices, sharedChoices } from './recipes.js';

/** The relatives of the dVAE that `--tokenizer` names. */
export const dvaeRelatives = ['vq-vae', 'vq-vae-normalised', 'strided-dvae', 'vqgan', 'vqgan-normalised', 'vqgan-gumbel'] as const;
export type DvaeRelative = (typeof dvaeRelatives)[number];

interface Shared {
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  readonly learningRate: Schedule;
  readonly beta1: number;
  readonly beta2: number;
  readonly clipNorm?: number;
  /** Default: none. */
  readonly ema?: number;
  readonly augment?: boolean;
}

/** Everything that decides the weights of a relative of the dVAE, apart from the pictures. */
export type DvaeRelativeRecipe = Shared &
  (
    | { readonly configuration: StridedDvaeConfiguration; readonly objective: StridedDvaeObjective & { readonly temperature: Schedule } }
    | { readonly configuration: VqVaeConfiguration; readonly objective: VqVaeObjective }
    | { readonly configuration: VqganConfiguration; readonly objective: VqganObjective }
  );

/** What moves the codebook of those that take the nearest vector; see `QuantizerLossOptions`. */
export type CodebookChoices = Pick<QuantizerLossOptions, 'codebookUpdate' | 'revivedAfter'>;

/** Groups of about four channels, which divide what a level may have. */
function normGroupsFor(hidden: number): number {
  let groups = Math.min(32, Math.max(1, Math.floor(hidden / 4)));
  while (hidden % groups !== 0) groups -= 1;
  return groups;
}

/** Variance of the pixels of natural pictures in [0, 1] (CIFAR-10's, about 0.06), by which the authors' example code divides its squared error. */
const pixelVariance = 0.06;

/** Updates without use after which a code is put anew: a twentieth of a short training. */
const revivedAfter = (steps: number): number => Math.min(100, Math.max(10, Math.ceil(steps / 20)));

/** What the peers do, for a short training on small pictures: DALLE-pytorch's `train_vae.py`, taming-transformers without its discriminator. */
export function dvaeRelativeRecipe(name: DvaeRelative, choices: ImageTokenizerChoices, codebook: CodebookChoices = {}): DvaeRelativeRecipe {
  const { size, codebookSize, hidden, downsampling, blocksPerGroup, steps, learningRate, seamless } = choices;
  const layers = Math.log2(downsampling);
  const shared = {
    ...sharedChoices(choices),
    learningRate: { kind: 'warmup-cosine', peak: learningRate, warmup: Math.min(100, Math.ceil(steps / 10)), final: learningRate / 20, steps },
    clipNorm: 10,
    ema: averageOver(steps),
  } as const;
  const around = seamless ? { seamless } : {};
  if (name === 'strided-dvae') {
    return {
      ...shared,
      beta1: 0.9,
      beta2: 0.999,
      configuration: { kind: 'strided-dvae', imageSize: size, channels: 3, codebookSize, codeWidth: 2 * hidden, layers, residualBlocks: blocksPerGroup, hidden, ...around },
      objective: { reconstruction: 'squared', klWeight: 0, relaxation: 'soft', temperature: { kind: 'cosine', from: 1, to: 0.5, steps } },
    };
  }
  if (name === 'vq-vae' || name === 'vq-vae-normalised') {
    return {
      ...shared,
      beta1: 0.9,
      beta2: 0.999,
      configuration: { kind: 'vq-vae', ...dvaeShape(choices), residualGain: 0.5 / blocksPerGroup, quantizer: name === 'vq-vae' ? 'nearest' : 'nearest-normalised' },
      // A running mean needs no step size of its own, and dead codes come back: what makes short trainings use their codebook.
      objective: { reconstruction: 'squared', pixelVariance, commitmentWeight: 0.25, codebookUpdate: 'average', revivedAfter: revivedAfter(steps), ...codebook },
    };
  }
  return {
    ...shared,
    // taming-transformers' (configure_optimizers).
    beta1: 0.5,
    beta2: 0.9,
    configuration: {
      kind: 'vqgan',
      imageSize: size,
      codebookSize,
      // LlamaGen's codes of length 1 want few dimensions (its §3.1: 8).
      codeWidth: name === 'vqgan-normalised' ? 8 : 2 * hidden,
      latentChannels: 2 * hidden,
      hidden,
      multipliers: Array.from({ length: layers + 1 }, (_, level) => Math.min(4, 2 ** Math.floor((level + 1) / 2))),
      blocksPerLevel: blocksPerGroup,
      attentionLevels: [layers],
      quantizer: name === 'vqgan' ? 'nearest' : name === 'vqgan-gumbel' ? 'gumbel' : 'nearest-normalised',
      normGroups: normGroupsFor(hidden),
      ...around,
    },
    objective:
      name === 'vqgan-gumbel'
        ? { reconstruction: 'absolute', quantizerWeight: 5e-4, relaxation: 'straight-through', temperature: { kind: 'cosine', from: 1, to: 1 / 16, steps: Math.ceil(steps / 2) } }
        : { reconstruction: 'absolute', quantizerWeight: 1, codebookWeight: 1, commitmentWeight: 0.25, ...codebook },
  };
}

/** Updates after which DALLE-pytorch's temperature has fallen from 1 to its floor of 0.5. */
const peersAnnealing = 11_800;

/**
 * The published recipe of a relative, as far as there is one: of `strided-dvae` the defaults of DALLE-pytorch's `train_vae.py`, that is Adam
 * without decay, clipping or average, squared error, no KL and a temperature that falls by exp(−1e-6 · step) every 100 updates; half a cosine
 * over 11,800 updates is within 0.01 of that for 1,500 updates and never more than 0.12 away. Its step size of 1e-3, times 0.98 an epoch, stays what it is here.
 */
export function publishedRelativeRecipe(name: DvaeRelative, choices: ImageTokenizerChoices, codebook: CodebookChoices = {}): DvaeRelativeRecipe {
  const recipe = dvaeRelativeRecipe(name, choices, codebook);
  if (recipe.configuration.kind !== 'strided-dvae') return recipe;
  const { configuration } = recipe;
  return {
    ...sharedChoices(choices),
    configuration,
    learningRate: { kind: 'constant', value: choices.learningRate },
    beta1: 0.9,
    beta2: 0.999,
    objective: { reconstruction: 'squared', klWeight: 0, relaxation: 'soft', temperature: { kind: 'cosine', from: 1, to: 0.5, steps: peersAnnealing } },
  };
}
