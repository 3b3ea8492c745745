import { readdirSync, readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import type { PriorConfiguration } from '../../configuration.js';
import { mapWeights, peerTensors } from '../peer-mapping.js';
import { minDalleMapping } from './mapping.js';

export const caseNames = readdirSync(new URL('.', import.meta.url), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

interface Meta {
  readonly config: {
    readonly embed_count: number;
    readonly attention_head_count: number;
    readonly glu_embed_count: number;
    readonly layer_count: number;
    readonly text_vocab_count: number;
    readonly text_token_count: number;
    readonly image_vocab_count: number;
    readonly image_token_count: number;
    readonly supercondition_factor: number;
    /** Of pipelines; elsewhere it is the row behind the vocabulary. */
    readonly start_token?: number;
  };
  readonly tolerance_advice_max_abs: { readonly encoder_state?: number; readonly logits?: number };
}

/** The peer never samples an id from here on, whatever its vocabulary. */
const sampledCodes = 2 ** 14;

export interface RecordedMinDalle {
  readonly configuration: PriorConfiguration;
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly guidance: number;
  readonly tolerance: Meta['tolerance_advice_max_abs'];
  read(recording: string): NumpyArray;
}

export async function recordedMinDalle(name: string): Promise<RecordedMinDalle> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const { config } = meta;
  const side = Math.sqrt(config.image_token_count);
  const configuration: PriorConfiguration = {
    kind: 'prior',
    width: config.embed_count,
    layers: config.layer_count,
    heads: config.attention_head_count,
    textVocabularySize: config.text_vocab_count,
    textLength: config.text_token_count,
    grid: { rows: side, columns: side },
    codebookSize: Math.min(config.image_vocab_count, sampledCodes),
    imageVocabularySize: config.image_vocab_count + 1,
    attention: 'full',
    // The empty text is the tokenizer's start and end; 1 is its padding.
    condition: { kind: 'encoder', layers: config.layer_count, padding: 1, emptyText: [0, 2], startToken: config.start_token ?? config.image_vocab_count },
    positions: 'learned',
    embeddingNorm: true,
    block: {
      normPlacement: 'normformer',
      feedForward: 'geglu',
      hidden: config.glu_embed_count,
      biases: { attentionInput: false, attentionOutput: false, feedForward: false, head: false },
    },
  };
  const tensors = await peerTensors(['encoder', 'decoder'].map((part) => ({ url: new URL(`${part}.pt.safetensors`, folder), prefix: `${part}.` })));
  return {
    configuration,
    weights: mapWeights(configuration, minDalleMapping(config.layer_count, config.layer_count), tensors),
    guidance: config.supercondition_factor,
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
