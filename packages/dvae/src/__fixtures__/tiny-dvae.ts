import {
  createParameterTree,
  deriveKey,
  float32Array,
  type HostArray,
  initialiseParameters,
  keyFromSeed,
  type ParameterSpec,
  type Picture,
  trace,
  uniformArray,
  uniformInteger,
} from '@tesserae/core';
import type { DvaeConfiguration } from '../configuration.js';
import { decodeRelaxed } from '../decoder.js';
import { encode } from '../encoder.js';

/** Two groups: codes of 2×2 pixels. */
export const tinyDvae: DvaeConfiguration = { kind: 'dvae', imageSize: 8, codebookSize: 16, hidden: 8, groups: 2, blocksPerGroup: 1, decoderInput: 8 };

/** The parameters of one half, without making any. */
export function parametersOf(configuration: DvaeConfiguration, half: 'encoder' | 'decoder'): readonly ParameterSpec[] {
  let specs: readonly ParameterSpec[] = [];
  trace(half, (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const place = tree.root.child(half);
    const side = 2 ** (configuration.groups - 1);
    if (half === 'encoder') scope.output('logits', encode(place, scope.input('x', [1, 3, side, side]), configuration));
    else scope.output('maps', decodeRelaxed(place, scope.input('z', [1, configuration.codebookSize, 1, 1]), configuration));
    specs = [...tree.specs.values()];
  });
  return specs;
}

export function firstWeights(configuration: DvaeConfiguration, seed = 1): Map<string, HostArray> {
  return initialiseParameters([...parametersOf(configuration, 'encoder'), ...parametersOf(configuration, 'decoder')], keyFromSeed(seed));
}

/** A picture of random bytes. */
export function noisePicture(width: number, height: number, seed: number): Picture {
  return { width, height, data: Uint8Array.from(uniformArray(keyFromSeed(seed), width * height * 3), (value) => Math.floor(value * 256)) };
}

/** Flat rectangles on flat ground, [batch, 3, size, size] in [0, 1]. */
export function rectangles(batch: number, size: number, seed: number): HostArray {
  const key = keyFromSeed(seed);
  const pixels = new Float32Array(batch * 3 * size * size);
  for (let picture = 0; picture < batch; picture += 1) {
    const own = deriveKey(key, picture);
    const colours = uniformArray(deriveKey(own, 'colours'), 6);
    const [left, top] = [uniformInteger(own, size / 2, 0), uniformInteger(own, size / 2, 1)];
    for (let channel = 0; channel < 3; channel += 1) {
      for (let row = 0; row < size; row += 1) {
        for (let column = 0; column < size; column += 1) {
          const inside = row >= top && row < top + size / 2 && column >= left && column < left + size / 2;
          pixels[((picture * 3 + channel) * size + row) * size + column] = colours[channel + (inside ? 3 : 0)] ?? 0;
        }
      }
    }
  }
  return float32Array([batch, 3, size, size], pixels);
}
