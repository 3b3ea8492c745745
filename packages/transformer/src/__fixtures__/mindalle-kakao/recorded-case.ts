import { readdirSync, readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import type { PriorConfiguration } from '../../configuration.js';
import { mapWeights, peerTensors } from '../peer-mapping.js';
import { minDalleKakaoMapping } from './mapping.js';

export const caseNames = readdirSync(new URL('.', import.meta.url), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

interface Meta {
  readonly config: {
    readonly stage2: {
      readonly vocab_size_txt: number;
      readonly vocab_size_img: number;
      readonly hparams: {
        readonly embed_dim: number;
        readonly n_layers: number;
        readonly n_heads: number;
        readonly ctx_len_img: number;
        readonly ctx_len_txt: number;
        readonly mlp_bias: boolean;
        readonly attn_bias: boolean;
        readonly gelu_use_approx: boolean;
      };
    };
  };
  readonly tolerance_advice_max_abs: { readonly logits_img: number; readonly logits_txt: number };
}

export interface RecordedMinDalleKakao {
  readonly configuration: PriorConfiguration;
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly tolerance: Meta['tolerance_advice_max_abs'];
  read(recording: string): NumpyArray;
}

export async function recordedMinDalleKakao(name: string): Promise<RecordedMinDalleKakao> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const { vocab_size_txt, vocab_size_img, hparams } = meta.config.stage2;
  const side = Math.sqrt(hparams.ctx_len_img);
  const configuration: PriorConfiguration = {
    kind: 'prior',
    width: hparams.embed_dim,
    layers: hparams.n_layers,
    heads: hparams.n_heads,
    textVocabularySize: vocab_size_txt,
    textLength: hparams.ctx_len_txt,
    grid: { rows: side, columns: side },
    codebookSize: vocab_size_img,
    attention: 'full',
    // The id of the tokenizer's [PAD]; the recorded texts are as long as they can be.
    condition: { kind: 'text', start: 'none', padding: 0 },
    positions: 'learned',
    block: {
      feedForward: hparams.gelu_use_approx ? 'gelu-quick' : 'gelu',
      biases: { attentionInput: hparams.attn_bias, attentionOutput: hparams.attn_bias, feedForward: hparams.mlp_bias, head: false },
    },
  };
  const tensors = await peerTensors([{ url: new URL('stage2_last.ckpt.safetensors', folder) }]);
  return {
    configuration,
    weights: mapWeights(configuration, minDalleKakaoMapping(configuration.layers), tensors),
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
