import { readdirSync, readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import type { PriorConfiguration } from '../../configuration.js';
import { mapWeights, peerTensors } from '../peer-mapping.js';
import { llamaGenMapping } from './mapping.js';

export const caseNames = readdirSync(new URL('.', import.meta.url), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

interface Meta {
  readonly config: {
    readonly dim: number;
    readonly n_layer: number;
    readonly n_head: number;
    readonly vocab_size: number;
    readonly block_size: number;
    readonly cls_token_num: number;
  } & ({ readonly model_type: 'c2i'; readonly num_classes: number } | { readonly model_type: 't2i'; readonly caption_dim: number });
  readonly resolved: { readonly hidden: number };
  readonly cfg_scale: number;
  readonly tolerance_advice_max_abs: { readonly logits: number };
}

export interface RecordedLlamaGen {
  readonly configuration: PriorConfiguration;
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly guidance: number;
  readonly tolerance: Meta['tolerance_advice_max_abs'];
  read(recording: string): NumpyArray;
}

export async function recordedLlamaGen(name: string): Promise<RecordedLlamaGen> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const { config } = meta;
  const side = Math.sqrt(config.block_size);
  const configuration: PriorConfiguration = {
    kind: 'prior',
    width: config.dim,
    layers: config.n_layer,
    heads: config.n_head,
    textVocabularySize: config.model_type === 'c2i' ? config.num_classes : 0,
    textLength: config.cls_token_num,
    grid: { rows: side, columns: side },
    codebookSize: config.vocab_size,
    attention: 'full',
    condition: config.model_type === 'c2i' ? { kind: 'class' } : { kind: 'features', width: config.caption_dim },
    positions: 'rotary-grid',
    block: {
      norm: 'rms',
      feedForward: 'swiglu',
      hidden: meta.resolved.hidden,
      biases: { attentionInput: false, attentionOutput: false, feedForward: false, head: false },
    },
  };
  const tensors = await peerTensors([{ url: new URL('model.pt.safetensors', folder) }]);
  return {
    configuration,
    weights: mapWeights(configuration, llamaGenMapping(configuration.layers), tensors),
    guidance: meta.cfg_scale,
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
