import { describe, expect, it } from 'vitest';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { padText, parsePriorConfiguration } from './configuration.js';
import { priorParameters } from './transformer.js';

describe('parsePriorConfiguration', () => {
  it('gives back what JSON held', () => {
    expect(parsePriorConfiguration(JSON.parse(JSON.stringify({ ...tinyConfiguration, attention: ['row', 'column'], convolutionKernel: 3 })))).toEqual({
      ...tinyConfiguration,
      attention: ['row', 'column'],
      convolutionKernel: 3,
    });
  });

  it.each([
    ['kind', { kind: 'dvae' }],
    ['width', { width: 0 }],
    ['heads', { heads: 3 }],
    ['layers', { layers: 1.5 }],
    ['textLength', { textLength: undefined }],
    ['grid', { grid: 8 }],
    ['grid.rows', { grid: { rows: '8', columns: 8 } }],
    ['codebookSize', { codebookSize: Number.NaN }],
    ['attention', { attention: ['full'] }],
    ['attention[1]', { attention: ['full', 'diagonal'] }],
    ['convolutionKernel', { convolutionKernel: 4 }],
  ])('names the field %s', (field, change) => {
    expect(() => parsePriorConfiguration({ ...tinyConfiguration, ...change })).toThrow(
      expect.objectContaining({ code: 'invalid-argument', details: expect.objectContaining({ field }) }),
    );
  });

  it('can count the paper’s model: 12 billion parameters', () => {
    const parameters = priorParameters({
      kind: 'prior',
      width: 3968,
      layers: 64,
      heads: 62,
      textVocabularySize: 16384,
      textLength: 256,
      grid: { rows: 32, columns: 32 },
      codebookSize: 8192,
      attention: 'paper',
    });
    const count = [...parameters.values()].reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
    expect(count / 1e9).toBeGreaterThan(12);
    expect(count / 1e9).toBeLessThan(12.5);
  });
});

describe('padText', () => {
  it('gives each free position its own padding id', () => {
    expect([...padText(tinyConfiguration, [4])]).toEqual([4, 8, 9]);
    expect([...padText(tinyConfiguration, [])]).toEqual([7, 8, 9]);
  });

  it('refuses what does not fit', () => {
    expect(() => padText(tinyConfiguration, [1, 2, 3, 4])).toThrow(expect.objectContaining({ code: 'prompt-invalid' }));
    expect(() => padText(tinyConfiguration, [7])).toThrow(expect.objectContaining({ code: 'prompt-invalid' }));
  });
});
