import { readdirSync, readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import type { PriorConfiguration } from '../../configuration.js';
import { readConverted } from '../read-converted.js';

export const caseNames = readdirSync(new URL('.', import.meta.url), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

interface Meta {
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
  return {
    ...(await readConverted(folder)),
    guidance: meta.cfg_scale,
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
