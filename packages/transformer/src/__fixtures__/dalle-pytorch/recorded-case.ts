import { readdirSync, readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import type { AttentionPattern, PriorConfiguration } from '../../configuration.js';
import { mapWeights, type PeerMapping, peerTensors } from '../peer-mapping.js';
import { dallePytorchMapping } from './mapping.js';

export const caseNames = readdirSync(new URL('.', import.meta.url), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

interface Meta {
  readonly config: {
    readonly hparams: {
      readonly num_text_tokens: number;
      readonly text_seq_len: number;
      readonly dim: number;
      readonly depth: number;
      readonly heads: number;
      readonly dim_head: number;
      readonly reversible: boolean;
      readonly attn_types: readonly ('full' | 'axial_row' | 'axial_col' | 'conv_like')[];
      readonly stable: boolean;
      readonly shift_tokens: boolean;
      readonly rotary_emb: boolean;
      readonly shared_attn_ids: readonly string[] | null;
      readonly shared_ff_ids: readonly string[] | null;
      readonly share_input_output_emb: boolean;
      readonly sandwich_norm?: boolean;
    };
    readonly vae_params: { readonly image_size: number; readonly num_layers: number; readonly num_tokens: number };
  };
  readonly outcomes: { readonly primed_tokens: readonly number[]; readonly cond_scale?: number };
  readonly tolerance_advice_max_abs: { readonly logits: number; readonly loss: number; readonly grads?: number };
}

const patterns: Readonly<Record<Meta['config']['hparams']['attn_types'][number], AttentionPattern>> = {
  full: 'full',
  axial_row: 'axialRow',
  axial_col: 'axialColumn',
  conv_like: 'convLike',
};

/** The first layer with the same id, by layer. */
const sharing = (ids: readonly string[]): number[] => ids.map((id) => ids.indexOf(id));

/** The options of `DALLE` as a configuration. */
export function configurationOf({ config: { hparams, vae_params } }: Pick<Meta, 'config'>): PriorConfiguration {
  const side = vae_params.image_size / 2 ** vae_params.num_layers;
  return {
    kind: 'prior',
    width: hparams.dim,
    layers: hparams.depth,
    heads: hparams.heads,
    headSize: hparams.dim_head,
    textVocabularySize: hparams.num_text_tokens,
    textLength: hparams.text_seq_len,
    grid: { rows: side, columns: side },
    codebookSize: vae_params.num_tokens,
    attention: Array.from({ length: hparams.depth }, (_, layer) => patterns[hparams.attn_types[layer % hparams.attn_types.length] ?? 'full']),
    condition: { kind: 'text', start: 'first-token' },
    positions: hparams.rotary_emb ? 'rotary-axial' : 'rows-columns',
    tiedEmbeddings: hparams.share_input_output_emb,
    block: {
      feedForward: 'geglu',
      layerScale: true,
      biases: { attentionInput: false },
      normPlacement: hparams.sandwich_norm === true ? 'sandwich' : 'pre',
      tokenShift: hparams.shift_tokens,
      stable: hparams.stable,
      reversible: hparams.reversible,
      ...(hparams.shared_attn_ids === null ? {} : { attentionOf: sharing(hparams.shared_attn_ids) }),
      ...(hparams.shared_ff_ids === null ? {} : { feedForwardOf: sharing(hparams.shared_ff_ids) }),
    },
  };
}

export interface RecordedDalle {
  readonly configuration: PriorConfiguration;
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly mapping: PeerMapping;
  readonly tolerance: Meta['tolerance_advice_max_abs'];
  readonly primed: readonly number[];
  readonly guidance: number | undefined;
  /** The peer's own table of turns, where it has one: [1, positions, channels]. */
  readonly angles: HostArray | undefined;
  /** Names of the recorded gradients. */
  readonly gradients: readonly string[];
  read(recording: string): NumpyArray;
}

export async function recordedDalle(name: string): Promise<RecordedDalle> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const configuration = configurationOf(meta);
  const tensors = await peerTensors([{ url: new URL('dalle.pt.safetensors', folder) }]);
  const mapping = dallePytorchMapping(tensors.keys(), configuration);
  const hasGradients = meta.tolerance_advice_max_abs.grads !== undefined;
  return {
    configuration,
    weights: mapWeights(configuration, mapping, tensors),
    mapping,
    tolerance: meta.tolerance_advice_max_abs,
    primed: meta.outcomes.primed_tokens,
    guidance: meta.outcomes.cond_scale,
    angles: tensors.get('transformer.pos_emb'),
    gradients: hasGradients ? readdirSync(new URL('grads/', folder)).map((file) => file.replace(/\.npy$/, '')) : [],
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
