import type { Schedule } from '@tesserae/core';
import type { StridedDvaeConfiguration, StridedDvaeObjective, VqganConfiguration, VqganObjective } from '@tesserae/dvae';
import type { ImageTokenizerChoices } from './recipes.js';

/** The relatives of the dVAE that `--tokenizer` names. */
export const dvaeRelatives = ['strided-dvae', 'vqgan', 'vqgan-normalised', 'vqgan-gumbel'] as const;
export type DvaeRelative = (typeof dvaeRelatives)[number];

interface Shared {
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  readonly learningRate: Schedule;
  readonly beta1: number;
  readonly beta2: number;
  readonly clipNorm: number;
  readonly ema: number;
}

/** Everything that decides the weights of a relative of the dVAE, apart from the pictures. */
export type DvaeRelativeRecipe = Shared &
  (
    | { readonly configuration: StridedDvaeConfiguration; readonly objective: StridedDvaeObjective & { readonly temperature: Schedule } }
    | { readonly configuration: VqganConfiguration; readonly objective: VqganObjective }
  );

/** Groups of about four channels, which divide what a level may have. */
function normGroupsFor(hidden: number): number {
  let groups = Math.min(32, Math.max(1, Math.floor(hidden / 4)));
  while (hidden % groups !== 0) groups -= 1;
  return groups;
}

/** What the peers do, for a short training on small pictures: DALLE-pytorch's `train_vae.py`, taming-transformers without its discriminator. */
export function dvaeRelativeRecipe(name: DvaeRelative, choices: ImageTokenizerChoices): DvaeRelativeRecipe {
  const { size, codebookSize, hidden, downsampling, blocksPerGroup, steps, batch, learningRate, seed } = choices;
  const layers = Math.log2(downsampling);
  const shared = {
    steps,
    batch,
    seed,
    learningRate: { kind: 'warmup-cosine', peak: learningRate, warmup: Math.min(100, Math.ceil(steps / 10)), final: learningRate / 20, steps },
    clipNorm: 10,
    ema: Math.min(0.999, 1 - 10 / Math.max(20, steps)),
  } as const;
  if (name === 'strided-dvae') {
    return {
      ...shared,
      beta1: 0.9,
      beta2: 0.999,
      configuration: { kind: 'strided-dvae', imageSize: size, channels: 3, codebookSize, codeWidth: 2 * hidden, layers, residualBlocks: blocksPerGroup, hidden },
      objective: { reconstruction: 'squared', klWeight: 0, relaxation: 'soft', temperature: { kind: 'cosine', from: 1, to: 0.5, steps } },
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
    },
    objective:
      name === 'vqgan-gumbel'
        ? { reconstruction: 'absolute', quantizerWeight: 5e-4, relaxation: 'straight-through', temperature: { kind: 'cosine', from: 1, to: 1 / 16, steps: Math.ceil(steps / 2) } }
        : { reconstruction: 'absolute', quantizerWeight: 1, codebookWeight: 1, commitmentWeight: 0.25 },
  };
}
