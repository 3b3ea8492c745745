import { readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import type { VqganConfiguration, VqganQuantizer } from '../../vqgan/configuration.js';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import { readWeights } from '../../../../core/src/__fixtures__/peers/peer-checks.js';

/** The peers that encode and decode. */
export const autoencoderCases = ['taming-vqgan-vq', 'taming-vqgan-gumbel', 'llamagen-vq', 'mindalle-kakao-small'] as const;
export type AutoencoderCase = (typeof autoencoderCases)[number];

export interface RecordedVqgan {
  readonly configuration: VqganConfiguration;
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly tolerance: Readonly<Record<string, number>>;
  read(recording: string): NumpyArray;
}

interface TamingParameters {
  readonly embed_dim: number;
  readonly n_embed: number;
  readonly ddconfig: { readonly z_channels: number; readonly resolution: number; readonly ch: number; readonly ch_mult: readonly number[]; readonly num_res_blocks: number; readonly attn_resolutions: readonly number[] };
}

const weightFiles: Readonly<Record<AutoencoderCase, string>> = {
  'taming-vqgan-vq': 'last.ckpt.safetensors',
  'taming-vqgan-gumbel': 'last.ckpt.safetensors',
  'llamagen-vq': 'vq.pt.safetensors',
  'mindalle-kakao-small': 'stage1_last.ckpt.safetensors',
};

function fromTaming({ embed_dim, n_embed, ddconfig }: TamingParameters, quantizer: VqganQuantizer): VqganConfiguration {
  return {
    kind: 'vqgan',
    imageSize: ddconfig.resolution,
    codebookSize: n_embed,
    codeWidth: embed_dim,
    latentChannels: ddconfig.z_channels,
    hidden: ddconfig.ch,
    multipliers: ddconfig.ch_mult,
    blocksPerLevel: ddconfig.num_res_blocks,
    attentionLevels: ddconfig.ch_mult.flatMap((_, level) => (ddconfig.attn_resolutions.includes(ddconfig.resolution / 2 ** level) ? [level] : [])),
    quantizer,
  };
}

function configurationOf(name: AutoencoderCase, config: unknown): VqganConfiguration {
  switch (name) {
    case 'taming-vqgan-vq':
    case 'taming-vqgan-gumbel':
      return fromTaming((config as { model: { params: TamingParameters } }).model.params, name === 'taming-vqgan-vq' ? 'nearest' : 'gumbel');
    case 'mindalle-kakao-small': {
      const { stage1 } = config as { stage1: { embed_dim: number; n_embed: number; hparams: TamingParameters['ddconfig'] } };
      return fromTaming({ ...stage1, ddconfig: stage1.hparams }, 'nearest');
    }
    case 'llamagen-vq': {
      const vq = config as { ch: number; num_res_blocks: number; ch_mult: readonly number[]; codebook_size: number; codebook_embed_dim: number; z_channels: number; resolution: number };
      return {
        kind: 'vqgan',
        imageSize: vq.resolution,
        codebookSize: vq.codebook_size,
        codeWidth: vq.codebook_embed_dim,
        latentChannels: vq.z_channels,
        hidden: vq.ch,
        multipliers: vq.ch_mult,
        blocksPerLevel: vq.num_res_blocks,
        attentionLevels: [vq.ch_mult.length - 1],
        quantizer: 'nearest-normalised',
      };
    }
    default:
      return name satisfies never;
  }
}

/** A peer's name of a weight as ours (the rules in `encoder.ts`, `decoder.ts` and `quantizer.ts`); nothing for what has no part in inference. */
export function pathOf(name: string, levels: number): string | undefined {
  if (name.startsWith('loss.') || name === 'quantize.codebook_used') return undefined;
  return (
    name
      .replace(/^quant_conv\./, 'quantizer.input.')
      .replace(/^post_quant_conv\./, 'quantizer.output.')
      .replace(/^(quantize\.)?(embedding|embed)\.weight$/, 'quantizer.codebook.weight')
      .replace(/^quantize\.proj\./, 'quantizer.logits.')
      // LlamaGen counts the decoder's levels from the smallest pictures.
      .replace(/^encoder\.conv_blocks\.(\d+)\./, 'encoder.levels.$1.')
      .replace(/^decoder\.conv_blocks\.(\d+)\./, (_, index: string) => `decoder.levels.${levels - 1 - Number(index)}.`)
      .replace(/\.res\.(\d+)\./, '.blocks.$1.')
      .replace(/\.mid\.([02])\./, (_, index: string) => `.middle.blocks.${Number(index) / 2}.`)
      .replace(/\.mid\.1\./, '.middle.attention.')
      .replace(/\.(down|up)\.(\d+)\./, '.levels.$2.')
      .replace(/\.block\.(\d+)\./, '.blocks.$1.')
      .replace(/\.mid\.block_(\d)\./, (_, index: string) => `.middle.blocks.${Number(index) - 1}.`)
      .replace(/\.mid\.attn_1\./, '.middle.attention.')
      .replace(/\.attn\.(\d+)\./, '.attention.$1.')
      .replace(/\.(norm|conv)([12])\.(weight|bias)$/, (_, kind: string, index: string, field: string) => `.${kind === 'norm' ? 'norms' : 'convolutions'}.${Number(index) - 1}.${field}`)
      .replace(/\.(downsample|upsample)\.conv\./, '.$1.')
      .replace(/\.nin_shortcut\./, '.shortcut.')
      .replace(/\.q\./, '.query.')
      .replace(/\.k\./, '.key.')
      .replace(/\.v\./, '.value.')
      .replace(/\.proj_out\./, '.output.')
      .replace(/\.conv_in\./, '.input.')
      .replace(/\.norm_out\./, '.norm.')
      .replace(/\.conv_out\./, '.output.')
  );
}

export async function recordedVqgan(name: AutoencoderCase): Promise<RecordedVqgan> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as { config: unknown; tolerance_advice_max_abs: Record<string, number> };
  const configuration = configurationOf(name, meta.config);
  return {
    configuration,
    weights: await readWeights(new URL(weightFiles[name], folder), (peerName) => pathOf(peerName, configuration.multipliers.length)),
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}

/** min-dalle's decoder alone, which has no encoder and no 1×1 convolution before the codebook. */
export async function recordedDetokenizer(): Promise<RecordedVqgan> {
  const folder = new URL('./min-dalle-detokenizer/', import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as {
    config: { groups: number; embed_count: number; vocab_count: number; tokens_side: number };
    tolerance_advice_max_abs: Record<string, number>;
  };
  const { groups, embed_count, vocab_count, tokens_side } = meta.config;
  // The peer writes its levels out: 1, 1, 2, 2 and 4 times the channels of the last.
  const multipliers = [1, 1, 2, 2, 4];
  return {
    configuration: {
      kind: 'vqgan',
      imageSize: tokens_side * 2 ** (multipliers.length - 1),
      codebookSize: vocab_count,
      codeWidth: embed_count,
      latentChannels: embed_count,
      hidden: 8,
      multipliers,
      blocksPerLevel: 2,
      attentionLevels: [4],
      quantizer: 'nearest',
      pixelRange: 'zero-to-one',
      normGroups: groups,
      normEpsilon: 1e-5,
    },
    weights: await readWeights(new URL('detoker.pt.safetensors', folder), (peerName) => pathOf(peerName, multipliers.length)),
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
