import { float32Array, initialiseParameters, keyFromSeed, uniformArray } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { computeWith, largestDifference } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { tinyDvae } from './__fixtures__/tiny-dvae.js';
import { tinyVqgan } from './__fixtures__/tiny-vqgan.js';
import { architectureOf, type ImageTokenizerConfiguration, imageTokenizerParameters } from './architectures.js';
import { relaxedReconstruction } from './relaxed-reconstruction.js';
import type { VqganConfiguration } from './vqgan/configuration.js';

const vqgan: VqganConfiguration = { ...tinyVqgan, quantizer: 'gumbel' };
const strided: ImageTokenizerConfiguration = { kind: 'strided-dvae', imageSize: 8, channels: 4, codebookSize: 12, codeWidth: 6, layers: 1, residualBlocks: 1, hidden: 8 };
const relaxing: readonly (readonly [string, ImageTokenizerConfiguration])[] = [
  ['a dVAE', tinyDvae],
  ['a strided dVAE', strided],
  ['a Gumbel VQGAN', vqgan],
];

describe('relaxedReconstruction', () => {
  it.each(relaxing)('of %s comes to the hard codes as τ falls, and is another picture before', async (_, configuration) => {
    const { downsampling, codes, pixels: decode } = architectureOf(configuration);
    const relaxed = relaxedReconstruction(configuration);
    if (relaxed === undefined) throw new Error('there is no relaxation');
    const side = 8 / downsampling;
    const noiseShape = [1, configuration.codebookSize, side, side];
    const inputs = {
      pixels: float32Array([1, 3, 8, 8], uniformArray(keyFromSeed(2), 192)),
      // The same everywhere: it moves all logits alike, and the softmax does not see it.
      noise: float32Array(noiseShape, new Float32Array(configuration.codebookSize * side * side).fill(0.5)),
    };
    const weights = initialiseParameters(imageTokenizerParameters(configuration).values(), keyFromSeed(4));
    const results = await computeWith({ open: async () => createReferenceBackend() }, weights, inputs, (scope, root) => {
      const [pixels, noise] = [scope.input('pixels', [1, 3, 8, 8]), scope.input('noise', noiseShape)];
      const at = (temperature: number) => relaxed(root, pixels, noise, scope.literal(float32Array([], [temperature])));
      scope.output('hard', decode(root, codes(root, pixels)));
      scope.output('cold', at(1e-6));
      scope.output('warm', at(1));
    });
    expect(results.warm?.shape).toEqual([1, 3, 8, 8]);
    expect(largestDifference(results.cold?.data, results.hard?.data ?? [])).toBeLessThan(1e-4);
    expect(largestDifference(results.warm?.data, results.hard?.data ?? [])).toBeGreaterThan(1e-3);
  });

  it('is none where codes are the nearest codebook vectors', () => {
    expect(relaxedReconstruction({ ...vqgan, quantizer: 'nearest' })).toBeUndefined();
  });
});
