import type { OptimizerOptions } from '@tesserae/core';
import { type ImageTokenizerConfiguration, paperDvae, type VqganConfiguration } from '@tesserae/dvae';
import type { PriorConfiguration } from '@tesserae/transformer';

/** A published model: its sizes and how it was trained. */
export interface Preset {
  readonly title: string;
  readonly prior: PriorConfiguration;
  readonly imageTokenizer: ImageTokenizerConfiguration;
  readonly optimizer: OptimizerOptions;
  /** Pictures an update and updates of the published training, where they are known. */
  readonly batch?: number;
  readonly updates?: number;
}

const constant = (value: number): OptimizerOptions['learningRate'] => ({ kind: 'constant', value });

/** minDALL-E's first stage (its `config.yaml`); LlamaGen's VQ-16 differs in the codebook's vectors. */
const mindalleVqgan: VqganConfiguration = {
  kind: 'vqgan',
  imageSize: 256,
  codebookSize: 16384,
  codeWidth: 256,
  latentChannels: 256,
  hidden: 128,
  multipliers: [1, 1, 2, 2, 4],
  blocksPerLevel: 2,
  attentionLevels: [4],
  quantizer: 'nearest',
};

/** LlamaGen's class-conditional models at 256 pixels (Sun et al. 2024, Table 1): hidden is ⌈8/3·width⌉ to a multiple of 256. */
function llamagen(title: string, { layers, heads, width }: { readonly layers: number; readonly heads: number; readonly width: number }): Preset {
  return {
    title,
    prior: {
      kind: 'prior',
      width,
      layers,
      heads,
      textVocabularySize: 1000,
      textLength: 1,
      grid: { rows: 16, columns: 16 },
      codebookSize: 16384,
      attention: 'full',
      condition: { kind: 'class' },
      positions: 'rotary-grid',
      block: {
        norm: 'rms',
        feedForward: 'swiglu',
        hidden: Math.ceil(Math.floor((8 * width) / 3) / 256) * 256,
        biases: { attentionInput: false, attentionOutput: false, feedForward: false, head: false },
      },
    },
    imageTokenizer: { ...mindalleVqgan, codeWidth: 8, quantizer: 'nearest-normalised' },
    // Its training scripts: AdamW (0.9, 0.95), decay 5e-2, clipping at 1, batch 256.
    optimizer: { learningRate: constant(1e-4), beta2: 0.95, weightDecay: 5e-2, clipNorm: 1 },
    batch: 256,
  };
}

export const presets: Readonly<Record<string, Preset>> = {
  'dalle-12b': {
    title: 'DALL-E (Ramesh et al. 2021)',
    // §2.2 and Appendix B: 64 layers, 62 heads of 64, 256 of 16,384 text tokens, 32×32 of 8192 codes.
    prior: {
      kind: 'prior',
      width: 3968,
      layers: 64,
      heads: 62,
      textVocabularySize: 16384,
      textLength: 256,
      grid: { rows: 32, columns: 32 },
      codebookSize: 8192,
      attention: 'paper',
    },
    imageTokenizer: paperDvae,
    // Appendix B.2: AdamW (0.9, 0.96), decay 4.5e-2, clipping at 4, average 0.99; 430,000 updates of 1024 pictures.
    optimizer: { learningRate: constant(4.5e-4), beta2: 0.96, weightDecay: 4.5e-2, clipNorm: 4, ema: 0.99 },
    batch: 1024,
    updates: 430_000,
  },
  mindalle: {
    title: 'minDALL-E 1.3B (kakaobrain)',
    prior: {
      kind: 'prior',
      width: 1536,
      layers: 42,
      heads: 24,
      textVocabularySize: 16384,
      textLength: 64,
      grid: { rows: 16, columns: 16 },
      codebookSize: 16384,
      attention: 'full',
      condition: { kind: 'text', start: 'none', padding: 0 },
      positions: 'learned',
      block: { biases: { head: false } },
    },
    imageTokenizer: mindalleVqgan,
    // The defaults of its training configuration.
    optimizer: { learningRate: constant(1e-4), beta2: 0.95, weightDecay: 1e-4, clipNorm: 4 },
    batch: 512,
  },
  'llamagen-b': llamagen('LlamaGen-B', { layers: 12, heads: 12, width: 768 }),
  'llamagen-xl': llamagen('LlamaGen-XL', { layers: 36, heads: 20, width: 1280 }),
  'llamagen-3b': llamagen('LlamaGen-3B', { layers: 24, heads: 32, width: 3200 }),
};
