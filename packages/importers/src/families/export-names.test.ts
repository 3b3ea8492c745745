import { isTesseraeError } from '@tesserae/core';
import { type DvaeConfiguration, type ImageTokenizerConfiguration, imageTokenizerParameters } from '@tesserae/dvae';
import { describe, expect, it } from 'vitest';
import { exportNames } from './export-names.js';

const dvae: DvaeConfiguration = { kind: 'dvae', imageSize: 16, codebookSize: 16, hidden: 8, groups: 3, blocksPerGroup: 1, decoderInput: 8 };

describe('exportNames', () => {
  it("gives every weight of a dVAE the peer's name", () => {
    const { family, names } = exportNames(dvae);
    expect(family).toBe('openai-dvae');
    // Names of weights that only other configurations have may be among them.
    expect(Array.from(names, ({ path }) => path)).toEqual(expect.arrayContaining([...imageTokenizerParameters(dvae).keys()]));
  });

  const refusals: readonly (readonly [string, ImageTokenizerConfiguration, RegExp])[] = [
    ['convolutions that wrap around, which no peer has', { ...dvae, seamless: true }, /go on at the opposite edge/],
    [
      'a VQ-VAE, which no peer has',
      { kind: 'vq-vae', imageSize: 16, codebookSize: 16, hidden: 8, groups: 3, blocksPerGroup: 1, decoderInput: 8, quantizer: 'nearest' },
      /nobody else's/,
    ],
  ];
  it.each(refusals)('refuses %s', (_, configuration, message) => {
    try {
      exportNames(configuration);
      expect.unreachable();
    } catch (error) {
      expect(isTesseraeError(error) && error.code).toBe('invalid-argument');
      expect(String(error)).toMatch(message);
    }
  });
});
