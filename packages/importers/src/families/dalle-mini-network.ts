import type { PriorConfiguration } from '@tesserae/transformer';
import type { CheckpointTensor } from '../checkpoint.js';
import type { Weights } from './family.js';

/** The network of DALL-E mini and mega, which dalle-mini has in Flax and min-dalle in PyTorch. */

/** min-dalle never samples an id from here on, and the VQGAN has no more codes. */
const sampledCodes = 2 ** 14;
/** Channels of a head of both published models. */
export const publishedHeadSize = 64;

export interface DalleMiniSizes {
  readonly width: number;
  readonly layers: number;
  readonly encoderLayers: number;
  /** Inside the feed-forward layers. */
  readonly hidden: number;
  readonly textVocabularySize: number;
  readonly textLength: number;
  /** Codes a side. */
  readonly side: number;
  /** Rows of the table of image tokens. */
  readonly imageVocabularySize: number;
}

export function dalleMiniConfiguration({ width, layers, encoderLayers, hidden, textVocabularySize, textLength, side, imageVocabularySize }: DalleMiniSizes): PriorConfiguration {
  return {
    kind: 'prior',
    width,
    layers,
    heads: width / publishedHeadSize,
    textVocabularySize,
    textLength,
    grid: { rows: side, columns: side },
    codebookSize: Math.min(imageVocabularySize - 1, sampledCodes),
    imageVocabularySize,
    attention: 'full',
    // The empty text is the tokenizer's start and end; 1 is its padding. The start token is the row behind the vocabulary, as dalle-mini trained it.
    condition: { kind: 'encoder', layers: encoderLayers, padding: 1, emptyText: [0, 2], startToken: imageVocabularySize - 1 },
    positions: 'learned',
    embeddingNorm: true,
    block: {
      normPlacement: 'normformer',
      feedForward: 'geglu',
      hidden,
      biases: { attentionInput: false, attentionOutput: false, feedForward: false, head: false },
    },
  };
}

/** Gains of norms that files leave out because they are 1, one for each bias that `gainOf` has a name for. */
export function missingGains(weights: Weights, gainOf: (bias: string) => string | undefined): Map<string, CheckpointTensor> {
  return new Map(
    Array.from(weights).flatMap(([name, bias]) => {
      const gain = gainOf(name);
      if (gain === undefined || weights.has(gain)) return [];
      const count = bias.shape.reduce((product, extent) => product * extent, 1);
      const { readRange: _bias, stream: _pieces, ...rest } = bias;
      const read = async (): Promise<Uint8Array> => new Uint8Array(new Float32Array(count).fill(1).buffer);
      return [[gain, { ...rest, name: gain, dtype: 'F32' as const, byteLength: 4 * count, storage: gain, read }] as const];
    }),
  );
}
