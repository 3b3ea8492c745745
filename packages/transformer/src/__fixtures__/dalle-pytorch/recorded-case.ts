import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { HostArray } from '@tesserae/core';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import type { PriorConfiguration } from '../../configuration.js';
import { readConverted } from '../read-converted.js';

export const caseNames = readdirSync(new URL('.', import.meta.url), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

interface Meta {
  readonly outcomes: { readonly primed_tokens: readonly number[]; readonly cond_scale?: number };
  readonly tolerance_advice_max_abs: { readonly logits: number; readonly loss: number; readonly grads?: number };
}

export interface RecordedDalle {
  readonly configuration: PriorConfiguration;
  readonly weights: ReadonlyMap<string, HostArray>;
  readonly tolerance: Meta['tolerance_advice_max_abs'];
  readonly primed: readonly number[];
  readonly guidance: number | undefined;
  /** The peer's own table of turns, where it has one: [1, positions, channels]. */
  readonly angles: NumpyArray | undefined;
  /** Paths of the weights whose gradients were recorded. */
  readonly gradients: readonly string[];
  /** An array by its file's name: `logits`, or `grads/` and the path of a weight. */
  read(recording: string): NumpyArray;
}

export async function recordedDalle(name: string): Promise<RecordedDalle> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const meta = JSON.parse(readFileSync(new URL('meta.json', folder), 'utf8')) as Meta;
  const read = (recording: string): NumpyArray => readNumpy(new URL(`${recording}.npy`, folder));
  return {
    ...(await readConverted(folder)),
    tolerance: meta.tolerance_advice_max_abs,
    primed: meta.outcomes.primed_tokens,
    guidance: meta.outcomes.cond_scale,
    angles: existsSync(new URL('angles.npy', folder)) ? read('angles') : undefined,
    gradients: meta.tolerance_advice_max_abs.grads === undefined ? [] : readdirSync(new URL('grads/', folder)).map((file) => file.replace(/\.npy$/, '')),
    read,
  };
}
