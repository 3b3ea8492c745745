import { readFileSync } from 'node:fs';
import { type HostArray, weightsFromSafetensors } from '@tesserae/core';
import type { DvaeConfiguration } from '../../configuration.js';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';

export const caseNames = ['nhid16-blk1-v512', 'nhid12-blk2-v600-rect'] as const;

interface Meta {
  readonly config: { readonly n_hid: number; readonly n_blk_per_group: number; readonly vocab_size: number; readonly n_init: number; readonly group_count: number };
  readonly tolerance_advice_max_abs: { readonly enc_logits: number; readonly dec_stats: number; readonly recon: number };
}

type Recording = 'image_u8' | 'image_mapped' | 'enc_logits' | 'codes' | 'dec_stats' | 'recon' | 'recon_u8';

export interface RecordedCase {
  readonly configuration: DvaeConfiguration;
  /** Both halves' weights by our paths: `encoder.…` and `decoder.…`. */
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly tolerance: Meta['tolerance_advice_max_abs'];
  read(recording: Recording): NumpyArray;
}

/** The peer's name of a weight as ours (the rule in `encoder.ts` and `decoder.ts`). */
export function pathOf(peerName: string): string {
  const field = { w: 'weight', b: 'bias' }[peerName.slice(-1)];
  const place = peerName
    .slice(0, -2)
    .replace(/^blocks\./, '')
    .replace(/^output\.conv$/, 'output')
    .replace(/^group_(\d+)\.block_(\d+)\./, (_, group: string, block: string) => `groups.${Number(group) - 1}.blocks.${Number(block) - 1}.`)
    .replace(/res_path\.conv_(\d+)$/, (_, index: string) => `convolutions.${Number(index) - 1}`)
    .replace(/id_path$/, 'identity');
  return `${place}.${field}`;
}

async function readWeights(folder: URL, half: 'encoder' | 'decoder', target: Map<string, HostArray>): Promise<void> {
  const source = weightsFromSafetensors(Uint8Array.from(readFileSync(new URL(`${half}.safetensors`, folder))));
  for (const name of source.types.keys()) target.set(`${half}.${pathOf(name)}`, await source.read(name));
}

export async function recordedCase(name: (typeof caseNames)[number]): Promise<RecordedCase> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const weights = new Map<string, HostArray>();
  await readWeights(folder, 'encoder', weights);
  await readWeights(folder, 'decoder', weights);
  const read = (recording: Recording): NumpyArray => readNumpy(new URL(`${recording}.npy`, folder));
  return {
    configuration: {
      kind: 'dvae',
      imageSize: read('image_u8').shape[2] ?? 0,
      codebookSize: meta.config.vocab_size,
      hidden: meta.config.n_hid,
      groups: meta.config.group_count,
      blocksPerGroup: meta.config.n_blk_per_group,
      decoderInput: meta.config.n_init,
    },
    weights,
    tolerance: meta.tolerance_advice_max_abs,
    read,
  };
}
