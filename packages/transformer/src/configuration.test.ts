import { describe, expect, it } from 'vitest';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { parsePriorConfiguration } from './configuration.js';
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
    ['headSize', { headSize: 0 }],
    ['textVocabularySize', { textVocabularySize: 0 }],
    ['positions', { positions: 'sinusoidal' }],
    ['positions', { positions: 'rotary-grid', headSize: 6 }],
    ['positions', { positions: 'rotary-axial' }],
    ['imageVocabularySize', { imageVocabularySize: 10 }],
    ['embeddingNorm', { embeddingNorm: 1 }],
    ['condition', { condition: 'text' }],
    ['condition.kind', { condition: { kind: 'sound' } }],
    ['condition.start', { condition: { kind: 'text', start: 'both' } }],
    ['condition.padding', { condition: { kind: 'text', padding: -1 } }],
    ['condition.padding', { condition: { kind: 'text', padding: 7 } }],
    ['condition.emptyText[1]', { condition: { kind: 'encoder', layers: 1, padding: 0, emptyText: [0, 'end'], startToken: 0 } }],
    ['condition.emptyText', { condition: { kind: 'text', emptyText: [0, 1, 2, 3] } }],
    ['condition.startToken', { condition: { kind: 'encoder', layers: 1, padding: 0, startToken: 11 } }],
    ['condition.width', { condition: { kind: 'features' } }],
    ['textLength', { condition: { kind: 'class' } }],
    ['block', { block: [] }],
    ['block.norm', { block: { norm: 'batch' } }],
    ['block.normPlacement', { block: { normPlacement: 'post' } }],
    ['block.feedForward', { block: { feedForward: 'relu' } }],
    ['block.hidden', { block: { hidden: 0 } }],
    ['block.biases.head', { block: { biases: { head: 'no' } } }],
    ['block.stable', { block: { stable: 'yes' } }],
    ['block.attentionOf', { block: { attentionOf: [0] } }],
    ['block.attentionOf[0]', { block: { attentionOf: [1, 1] } }],
    ['block.tokenShift', { width: 6, block: { tokenShift: true } }],
    ['block.tokenShift', { textLength: 1, condition: { kind: 'class' }, block: { tokenShift: true } }],
    ['block.reversible', { condition: { kind: 'encoder', layers: 1, padding: 0, startToken: 0 }, block: { reversible: true } }],
    ['tiedEmbeddings', { condition: { kind: 'encoder', layers: 1, padding: 0, startToken: 0 }, tiedEmbeddings: true }],
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
