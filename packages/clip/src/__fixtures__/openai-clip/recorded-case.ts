import { readFileSync } from 'node:fs';
import { encodeSafetensors, float32Array, type HostArray, weightsFromSafetensors } from '@tesserae/core';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import type { ClipConfiguration } from '../../contrastive/configuration.js';

export const caseNames = ['vit-fp32', 'vit-fp16-2heads', 'resnet-fp16'] as const;

interface Meta {
  readonly config: {
    readonly embed_dim: number;
    readonly image_resolution: number;
    readonly vision_layers: number | readonly [number, number, number, number];
    readonly vision_width: number;
    readonly vision_patch_size: number | null;
    readonly context_length: number;
    readonly vocab_size: number;
    readonly transformer_width: number;
    readonly transformer_heads: number;
    readonly transformer_layers: number;
  };
  readonly tolerance_advice_max_abs: Readonly<Record<string, number>>;
}

/** The peer's name of a weight as ours; nothing for what is no weight. */
export function pathOf(peerName: string): string | undefined {
  if (peerName.endsWith('.num_batches_tracked')) return undefined;
  const [, tower = '', rest = peerName] = /^(visual\.)?(.*)$/.exec(peerName) ?? [];
  const side = tower === '' ? 'text' : 'image';
  const block = /^transformer\.resblocks\.(\d+)\.(.*)$/.exec(rest);
  if (block !== null) {
    const [, layer = '', part = ''] = block;
    const inner = part
      .replace(/^attn\.in_proj_(weight|bias)$/, 'attention.input.$1')
      .replace(/^attn\.out_proj\./, 'attention.output.')
      .replace(/^ln_1\./, 'attention.norm.')
      .replace(/^ln_2\./, 'mlp.norm.')
      .replace(/^mlp\.c_fc\./, 'mlp.expand.')
      .replace(/^mlp\.c_proj\./, 'mlp.contract.');
    return `${side}.blocks.${layer}.${inner}`;
  }
  if (peerName === 'logit_scale') return 'logitScale';
  const whole: Readonly<Record<string, string>> = {
    'text positional_embedding': 'positions.weight',
    'text text_projection': 'projection.weight',
    'text token_embedding.weight': 'tokens.weight',
    'image class_embedding': 'class.weight',
    'image positional_embedding': 'positions.weight',
    'image proj': 'projection.weight',
    'image attnpool.positional_embedding': 'pool.positions.weight',
  };
  const known = whole[`${side} ${rest}`];
  if (known !== undefined) return `${side}.${known}`;
  const named = rest
    .replace(/^ln_final\./, 'norm.')
    .replace(/^ln_pre\./, 'normBefore.')
    .replace(/^ln_post\./, 'normAfter.')
    .replace(/^attnpool\.q_proj\./, 'pool.query.')
    .replace(/^attnpool\.k_proj\./, 'pool.key.')
    .replace(/^attnpool\.v_proj\./, 'pool.value.')
    .replace(/^attnpool\.c_proj\./, 'pool.output.')
    .replace(/\.running_mean$/, '.mean')
    .replace(/\.running_var$/, '.variance')
    .replace(/^layer(\d)\./, (_, stage: string) => `stages.${Number(stage) - 1}.`)
    .replace(/downsample\.0\./, 'shortcut.convolution.')
    .replace(/downsample\.1\./, 'shortcut.norm.')
    .replace(/(conv|bn)([123])\./, (_, kind: string, index: string) => `${Number(index) - 1}.${kind === 'conv' ? 'convolution' : 'norm'}.`);
  // The vision transformer's only convolution cuts patches; the ResNet's first three are its stem.
  return `${side}.${/^[012]\./.test(named) ? `stem.${named}` : named}`;
}

/** Rows and columns swapped: the peer keeps its projections as [inputs, features]. */
function transposed({ shape: [rows = 0, columns = 0], data }: HostArray): HostArray {
  return float32Array([columns, rows], Float32Array.from({ length: data.length }, (_, index) => data[(index % rows) * columns + Math.floor(index / rows)] ?? 0));
}

/** What the peer's loader does to convolutions, attention, linear layers and projections. */
const roundedByLoader = (peerName: string): boolean => /conv\d?\.|downsample\.0|attn|mlp|proj/.test(peerName) && !/positional_embedding/.test(peerName);

/** Through float16 and back, by our own files. */
async function throughHalf(array: HostArray): Promise<HostArray> {
  const bytes = Buffer.concat(encodeSafetensors(new Map([['x', array]]), {}, { floats: 'float16' }));
  return weightsFromSafetensors(Uint8Array.from(bytes)).read('x');
}

export interface RecordedCase {
  readonly configuration: ClipConfiguration;
  /** By our paths. `rounded`: as the peer's loader has them, through float16. */
  weights(options: { readonly rounded: boolean }): Promise<Map<string, HostArray>>;
  readonly tolerance: Readonly<Record<string, number>>;
  read(recording: string): NumpyArray;
}

export function recordedCase(name: (typeof caseNames)[number]): RecordedCase {
  const folder = new URL(`./${name}/`, import.meta.url);
  const { config, tolerance_advice_max_abs: tolerance } = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const isTransformer = typeof config.vision_layers === 'number';
  return {
    configuration: {
      kind: 'clip',
      embedding: config.embed_dim,
      imageSize: config.image_resolution,
      image:
        typeof config.vision_layers === 'number'
          ? { kind: 'vision-transformer', width: config.vision_width, layers: config.vision_layers, heads: config.vision_width / 64, patch: config.vision_patch_size ?? 0 }
          : { kind: 'resnet', width: config.vision_width, blocks: config.vision_layers, heads: (config.vision_width * 32) / 64 },
      text: {
        width: config.transformer_width,
        layers: config.transformer_layers,
        heads: config.transformer_heads,
        length: config.context_length,
        vocabularySize: config.vocab_size,
      },
    },
    async weights({ rounded }) {
      const source = weightsFromSafetensors(Uint8Array.from(readFileSync(new URL('model.pt.safetensors', folder))));
      const weights = new Map<string, HostArray>();
      for (const peerName of source.types.keys()) {
        const path = pathOf(peerName);
        if (path === undefined) continue;
        const array = await source.read(peerName);
        const own = /(^|\.)(text_projection|proj)$/.test(peerName) ? transposed(array) : array;
        const shaped = peerName.endsWith('class_embedding') ? float32Array([1, ...own.shape], own.data as Float32Array) : own;
        const values = rounded && roundedByLoader(peerName) ? await throughHalf(shaped) : shaped;
        weights.set(isTransformer && path === 'image.stem.0.convolution.weight' ? 'image.patches.weight' : path, values);
      }
      return weights;
    },
    tolerance,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
