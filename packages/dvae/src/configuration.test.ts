import { describe, expect, it } from 'vitest';
import { parametersOf, tinyDvae } from './__fixtures__/tiny-dvae.js';
import { downsamplingOf, paperDvae, parseDvaeConfiguration } from './configuration.js';

describe('parseDvaeConfiguration', () => {
  it('gives back what JSON held, and nothing else', () => {
    expect(parseDvaeConfiguration(JSON.parse(JSON.stringify({ ...paperDvae, comment: 'mine' })))).toEqual(paperDvae);
  });

  it.each([null, 'dvae', {}, { ...tinyDvae, kind: 'prior' }])('refuses what is no dVAE: %j', (source) => {
    expect(() => parseDvaeConfiguration(source)).toThrow(expect.objectContaining({ code: 'model-incompatible', remedy: expect.stringContaining('dvae') }));
  });

  it.each([
    ['imageSize', 0],
    ['imageSize', '64'],
    ['codebookSize', 1],
    ['hidden', 3],
    ['groups', 1.5],
    ['blocksPerGroup', undefined],
    ['decoderInput', Number.NaN],
    ['residualGain', 0],
    ['residualGain', '1/64'],
  ])('names the field %s when it is %s', (field, value) => {
    expect(() => parseDvaeConfiguration({ ...tinyDvae, [field]: value })).toThrow(expect.objectContaining({ code: 'model-incompatible', details: { field, value } }));
  });

  it.each([
    ['pictures that do not divide into codes', { imageSize: 9 }],
    ['bottlenecks of a broken width', { hidden: 10 }],
  ])('refuses %s', (_, change) => {
    expect(() => parseDvaeConfiguration({ ...tinyDvae, ...change })).toThrow(expect.objectContaining({ code: 'model-incompatible' }));
  });
});

describe('the published size', () => {
  it('makes codes of 8×8 pixels', () => {
    expect(downsamplingOf(paperDvae)).toBe(8);
    expect(downsamplingOf(tinyDvae)).toBe(2);
  });

  it.each([
    ['encoder', 53_786_240, 74],
    ['decoder', 43_829_766, 76],
  ] as const)('has an %s of %i parameters in %i tensors', (half, parameters, tensors) => {
    const specs = parametersOf(paperDvae, half);
    expect(specs).toHaveLength(tensors);
    expect(specs.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)).toBe(parameters);
  });
});
