import { readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import type { DvaeConfiguration } from '../../configuration.js';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import { readConverted } from '../read-converted.js';

export const caseNames = ['nhid16-blk1-v512', 'nhid12-blk2-v600-rect'] as const;

interface Meta {
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

export async function recordedCase(name: (typeof caseNames)[number]): Promise<RecordedCase> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  return {
    ...(await readConverted(folder, 'dvae')),
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
