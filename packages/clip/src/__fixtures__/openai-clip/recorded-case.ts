import { readFileSync } from 'node:fs';
import { encodeSafetensors, type HostArray, weightsFromSafetensors } from '@tesserae/core';
import { type NumpyArray, readNumpy } from '../../../../core/src/__fixtures__/peers/npy.js';
import { type ClipConfiguration, parseClipConfiguration } from '../../contrastive/configuration.js';

export const caseNames = ['vit-fp32', 'vit-fp16-2heads', 'resnet-fp16'] as const;

interface Meta {
  readonly tolerance_advice_max_abs: Readonly<Record<string, number>>;
}

/** What the peer's loader rounds: convolutions, attention, linear layers and projections; no norm and no table. */
const isRoundedByLoader = (path: string): boolean => /\.(convolution|patches|input|output|expand|contract|query|key|value|projection)\.(weight|bias)$/.test(path);

/** Through float16 and back, by our own files. */
async function throughHalf(array: HostArray): Promise<HostArray> {
  const bytes = Buffer.concat(encodeSafetensors(new Map([['x', array]]), {}, { floats: 'float16' }));
  return weightsFromSafetensors(Uint8Array.from(bytes)).read('x');
}

/** Configuration and weights as `tesserae convert` made them of the peer's own file, and what the peer computed. */
export interface RecordedCase {
  readonly configuration: ClipConfiguration;
  /** By our paths. `rounded`: as the peer's loader has them, through float16. */
  weights(options: { readonly rounded: boolean }): Promise<Map<string, HostArray>>;
  readonly tolerance: Readonly<Record<string, number>>;
  read(recording: string): NumpyArray;
}

export function recordedCase(name: (typeof caseNames)[number]): RecordedCase {
  const folder = new URL(`./${name}/`, import.meta.url);
  const json = (file: string): unknown => JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  return {
    configuration: parseClipConfiguration(json('configuration.json')),
    async weights({ rounded }) {
      const source = weightsFromSafetensors(Uint8Array.from(readFileSync(new URL('weights.safetensors', folder))));
      const weights = new Map<string, HostArray>();
      for (const path of source.types.keys()) {
        const array = await source.read(path);
        weights.set(path, rounded && isRoundedByLoader(path) ? await throughHalf(array) : array);
      }
      return weights;
    },
    tolerance: (json('meta.json') as Meta).tolerance_advice_max_abs,
    read: (recording) => readNumpy(new URL(`${recording}.npy`, folder)),
  };
}
