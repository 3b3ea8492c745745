import { readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import type { VqganConfiguration } from '../../vqgan/configuration.js';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import { readConverted } from '../read-converted.js';

/** The peers that encode and decode. */
export const autoencoderCases = ['taming-vqgan-vq', 'taming-vqgan-gumbel', 'llamagen-vq', 'mindalle-kakao-small'] as const;
export type AutoencoderCase = (typeof autoencoderCases)[number];

export interface RecordedVqgan {
  readonly configuration: VqganConfiguration;
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly tolerance: Readonly<Record<string, number>>;
  read(recording: string): NumpyArray;
}

async function recorded(name: string): Promise<RecordedVqgan> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as { readonly tolerance_advice_max_abs: Record<string, number> };
  return {
    ...(await readConverted(folder, 'vqgan')),
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}

export const recordedVqgan = (name: AutoencoderCase): Promise<RecordedVqgan> => recorded(name);

/** min-dalle's decoder alone, which has no encoder and no 1×1 convolution before the codebook. */
export const recordedDetokenizer = (): Promise<RecordedVqgan> => recorded('min-dalle-detokenizer');
