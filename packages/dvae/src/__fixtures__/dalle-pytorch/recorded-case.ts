import { readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import type { StridedDvaeConfiguration } from '../../strided/configuration.js';
import type { StridedDvaeObjective } from '../../strided/loss.js';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import { readConverted } from '../read-converted.js';

export const caseNames = ['vae-l2-res0', 'vae-l2-res2-kl', 'vae-l2-rgba-reinmax', 'vae-l3-res1-sl1-kl-st'] as const;

interface Meta {
  readonly config: {
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
  /** An array by its file's name: `logits`, or `grads/` and the path of a weight. */
  read(recording: string): NumpyArray;
}

export async function recordedStridedDvae(name: (typeof caseNames)[number]): Promise<RecordedStridedDvae> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const { extra, temp } = meta.config;
  return {
    ...(await readConverted(folder, 'strided-dvae')),
    objective: {
      reconstruction: extra.smooth_l1_loss === true ? 'smooth-l1' : 'squared',
      klWeight: extra.kl_div_loss_weight ?? 0,
      relaxation: extra.straight_through !== true ? 'soft' : extra.reinmax === true ? 'reinmax' : 'straight-through',
    },
    temperature: temp,
    tolerance: meta.tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
