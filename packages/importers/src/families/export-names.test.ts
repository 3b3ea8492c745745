import { isTesseraeError } from '@tesserae/core';
import { type DvaeConfiguration, type ImageTokenizerConfiguration, imageTokenizerParameters } from '@tesserae/dvae';
import type { PriorConfiguration } from '@tesserae/transformer';
import { describe, expect, it } from 'vitest';
import { exportNames } from './export-names.js';
import { exportPrior } from './export-priors.js';

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

describe('exportPrior', () => {
  const minDalle: PriorConfiguration = {
    kind: 'prior',
    width: 8,
    layers: 1,
    heads: 2,
    textVocabularySize: 5,
    textLength: 3,
    grid: { rows: 2, columns: 2 },
    codebookSize: 6,
    attention: 'full',
    condition: { kind: 'text', start: 'none', padding: 0 },
    positions: 'learned',
    block: { biases: { head: false } },
  };

  it('takes rows of a joint matrix apart', () => {
    const { family, tensors } = exportPrior(minDalle) ?? { tensors: [] };
    expect(family).toBe('mindalle-prior');
    expect(tensors.find(({ peer }) => peer === 'blocks.0.attn.key.weight')).toEqual({
      peer: 'blocks.0.attn.key.weight',
      shape: [8, 8],
      parts: [{ path: 'blocks.0.attention.input.weight', rows: [8, 16] }],
    });
  });

  // Each of these has the same weights as minDALL-E, or almost: its code would load them and compute something else.
  const others: readonly (readonly [string, Partial<PriorConfiguration>])[] = [
    ['another activation', { block: { biases: { head: false }, feedForward: 'gelu-tanh' } }],
    ['another attention', { attention: ['row'] }],
    ['a stable softmax', { block: { biases: { head: false }, stable: true } }],
    ['two streams', { block: { biases: { head: false }, reversible: true } }],
    ['another start', { condition: { kind: 'text', start: 'first-token', padding: 0 } }],
    ['another norm at the end', { headNorm: true }],
    ['tied embeddings', { tiedEmbeddings: true }],
  ];
  it.each(others)('knows no peer of a network with %s', (_, changes) => {
    expect(exportPrior({ ...minDalle, ...changes })).toBeUndefined();
  });
});
