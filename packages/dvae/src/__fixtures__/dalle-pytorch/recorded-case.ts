import { readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import type { StridedDvaeConfiguration } from '../../strided/configuration.js';
import type { StridedDvaeObjective } from '../../strided/loss.js';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import { readWeights } from '../../../../core/src/__fixtures__/peers/peer-checks.js';

export const caseNames = ['vae-l2-res0', 'vae-l2-res2-kl', 'vae-l2-rgba-reinmax', 'vae-l3-res1-sl1-kl-st'] as const;

interface Meta {
  readonly config: {
    readonly hparams: {
      readonly image_size: number;
      readonly num_layers: number;
      readonly num_tokens: number;
      readonly channels: 3 | 4;
      readonly codebook_dim: number;
      readonly hidden_dim: number;
      readonly num_resnet_blocks: number;
    };
    readonly extra: { readonly smooth_l1_loss?: boolean; readonly kl_div_loss_weight?: number; readonly straight_through?: boolean; readonly reinmax?: boolean };
    readonly temp: number;
  };
  readonly tolerance_advice_max_abs: { readonly grads: number; readonly logits: number; readonly decoded: number; readonly recons: number; readonly loss: number };
}

export interface RecordedStridedDvae {
  readonly configuration: StridedDvaeConfiguration;
  readonly objective: StridedDvaeObjective;
  readonly temperature: number;
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly tolerance: Meta['tolerance_advice_max_abs'];
  /** The peer's name of the weight at one of our paths. */
  peerName(path: string): string;
  read(recording: string): NumpyArray;
}

/** The peer's name of a weight as ours (the rules in `autoencoder.ts`). */
export function pathOf(name: string, { layers, residualBlocks }: Pick<StridedDvaeConfiguration, 'layers' | 'residualBlocks'>): string {
  if (name.startsWith('codebook.')) return name;
  const [, half = '', place = '', rest = '', field = ''] = /^(encoder|decoder)\.(\d+)\.(.*?)(weight|bias)$/.exec(name) ?? [];
  const index = Number(place);
  const convolution = rest.startsWith('net.') ? `convolutions.${Number(rest.split('.')[1]) / 2}` : '';
  if (half === 'encoder') {
    if (index < layers) return `encoder.downsample.${index}.${field}`;
    return index < layers + residualBlocks ? `encoder.blocks.${index - layers}.${convolution}.${field}` : `encoder.output.${field}`;
  }
  const first = residualBlocks === 0 ? 0 : 1;
  if (index < first) return `decoder.input.${field}`;
  if (index < first + residualBlocks) return `decoder.blocks.${index - first}.${convolution}.${field}`;
  return index < first + residualBlocks + layers ? `decoder.upsample.${index - first - residualBlocks}.${field}` : `decoder.output.${field}`;
}

export async function recordedStridedDvae(name: (typeof caseNames)[number]): Promise<RecordedStridedDvae> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const { hparams, extra, temp } = meta.config;
  const configuration: StridedDvaeConfiguration = {
    kind: 'strided-dvae',
    imageSize: hparams.image_size,
    channels: hparams.channels,
    codebookSize: hparams.num_tokens,
    codeWidth: hparams.codebook_dim,
    layers: hparams.num_layers,
    residualBlocks: hparams.num_resnet_blocks,
    hidden: hparams.hidden_dim,
  };
  const peerNames = new Map<string, string>();
  const weights = await readWeights(new URL('vae.pt.safetensors', folder), (peerName) => {
    const path = pathOf(peerName, configuration);
    peerNames.set(path, peerName);
    return path;
  });
  return {
    configuration,
    objective: {
      reconstruction: extra.smooth_l1_loss === true ? 'smooth-l1' : 'squared',
      klWeight: extra.kl_div_loss_weight ?? 0,
      relaxation: extra.straight_through !== true ? 'soft' : extra.reinmax === true ? 'reinmax' : 'straight-through',
    },
    temperature: temp,
    weights,
    tolerance: meta.tolerance_advice_max_abs,
    peerName: (path) => peerNames.get(path) ?? path,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
