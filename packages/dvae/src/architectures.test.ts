import { describe, expect, it } from 'vitest';
import { tinyDvae } from './__fixtures__/tiny-dvae.js';
import { architectureOf, type ImageTokenizerConfiguration, imageTokenizerParameters, parseImageTokenizerConfiguration } from './architectures.js';
import { paperDvae } from './configuration.js';
import type { StridedDvaeConfiguration } from './strided/configuration.js';
import type { VqganConfiguration } from './vqgan/configuration.js';

const strided: StridedDvaeConfiguration = { kind: 'strided-dvae', imageSize: 32, channels: 3, codebookSize: 64, codeWidth: 16, layers: 2, residualBlocks: 1, hidden: 8 };
/** minDALL-E's first stage; taming-transformers' f16-16384 has the same shape. */
const minDallE: VqganConfiguration = {
  kind: 'vqgan',
  imageSize: 256,
  codebookSize: 16384,
  codeWidth: 256,
  latentChannels: 256,
  hidden: 128,
  multipliers: [1, 1, 2, 2, 4],
  blocksPerLevel: 2,
  attentionLevels: [4],
  quantizer: 'nearest',
};
const llamaGen: VqganConfiguration = { ...minDallE, codeWidth: 8, quantizer: 'nearest-normalised' };

describe('the published sizes', () => {
  it.each<[string, ImageTokenizerConfiguration, RegExp, number, number]>([
    ["openai/DALL-E's dVAE", paperDvae, /./, 53_786_240 + 43_829_766, 74 + 76],
    ["minDALL-E's VQGAN", minDallE, /./, 76_073_859, 343],
    ["min-dalle's detokenizer", minDallE, /^(decoder|quantizer\.(codebook|output))\./, 46_709_891, 197],
    // Its file holds one tensor more, a count of used codes that training keeps.
    ["LlamaGen's VQ-16", llamaGen, /./, 71_883_403, 343],
  ])('%s has as many parameters as its file', (_, configuration, wanted, parameters, tensors) => {
    const specs = [...imageTokenizerParameters(configuration).values()].filter(({ name }) => wanted.test(name));
    expect(specs).toHaveLength(tensors);
    expect(specs.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)).toBe(parameters);
  });
});

describe('a configuration', () => {
  it.each<[ImageTokenizerConfiguration, number]>([
    [tinyDvae, 2],
    [strided, 4],
    [minDallE, 16],
    [{ ...minDallE, pixelRange: 'zero-to-one', normGroups: 8, normEpsilon: 1e-5 }, 16],
  ])('comes back from JSON as it was, and nothing else: %j', (configuration, downsampling) => {
    expect(parseImageTokenizerConfiguration(JSON.parse(JSON.stringify({ ...configuration, comment: 'mine' })))).toEqual(configuration);
    expect(architectureOf(configuration).downsampling).toBe(downsampling);
  });

  it.each<[string, object, string]>([
    ['an unknown kind', { ...strided, kind: 'jpeg' }, '"jpeg"'],
    ['no object', [], 'not known here'],
    ['a field that is missing', { ...strided, layers: undefined }, 'layers'],
    ['a field that is no number', { ...minDallE, hidden: '128' }, 'hidden: "128"'],
    ['a number of channels no picture has', { ...strided, channels: 5 }, 'channels: 5'],
    ['pictures that do not divide into codes', { ...strided, imageSize: 30 }, '30 pixels do not divide'],
    ["pictures that do not divide into a VQGAN's codes", { ...minDallE, imageSize: 250 }, '250 pixels do not divide'],
    ['a quantizer that does not exist', { ...minDallE, quantizer: 'farthest' }, 'quantizer: "farthest"'],
    ['multipliers that are no list', { ...minDallE, multipliers: 4 }, 'multipliers: 4'],
    ['no levels', { ...minDallE, multipliers: [], attentionLevels: [] }, 'no multipliers'],
    ['attention at a level that is not there', { ...minDallE, attentionLevels: [5] }, 'level 5 of 5'],
    ['channels that do not divide into groups', { ...minDallE, hidden: 100 }, '32 groups'],
    ['an ε of nothing', { ...minDallE, normEpsilon: 0 }, 'normEpsilon: 0'],
  ])('with %s is refused in words that name it', (_, source, problem) => {
    expect(() => parseImageTokenizerConfiguration(source)).toThrow(expect.objectContaining({ code: 'model-incompatible', message: expect.stringContaining(problem) }));
  });
});
