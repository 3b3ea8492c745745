import { describe, expect, it } from 'vitest';
import type { Conditioning } from '../models/index.js';
import { mockImageTokenizer, mockPrior, mockTextTokenizer } from '../test/index.js';
import { createGenerator, type GenerateRequest } from './index.js';

const grid = { rows: 2, columns: 2 };
const [classes, features]: readonly [Conditioning, Conditioning] = [
  { kind: 'class', classes: 10 },
  { kind: 'features', length: 2, width: 3 },
];

/** What a prior is asked by a request. */
async function branchesOf(request: GenerateRequest, conditioning?: Conditioning, textTokenizer = conditioning === undefined ? mockTextTokenizer() : undefined) {
  const prior = { ...mockPrior({ grid, codebookSize: 4 }), ...(conditioning === undefined ? {} : { conditioning }) };
  const generator = createGenerator({ imageTokenizer: mockImageTokenizer({ grid, codebookSize: 4 }), prior, ...(textTokenizer === undefined ? {} : { textTokenizer }) });
  await generator.generate(request);
  return prior.requests.map(({ branches }) => branches);
}

describe('a request by class', () => {
  it('asks by its number, guided away from no class; a prompt beside it is not read', async () => {
    expect(await branchesOf({ classLabel: 7 }, classes)).toEqual([[{ text: Int32Array.of(7), weight: 1 }]]);
    expect(await branchesOf({ classLabel: 0, guidance: 4, prompt: 'a goldfish' }, classes)).toEqual([
      [
        { text: Int32Array.of(0), weight: 4 },
        { text: new Int32Array(), weight: -3 },
      ],
    ]);
  });

  it.each<[string, GenerateRequest, string, string]>([
    ['a class that there is not', { classLabel: 10 }, 'prompt-invalid', 'There is no class 10; this model knows 10. Use 0 to 9.'],
    ['a sentence alone', { prompt: 'a goldfish' }, 'prompt-invalid', 'asked by a class, not by a sentence. Give classLabel'],
    ['half a class', { classLabel: 0.5 }, 'invalid-argument', 'classLabel: 0.5'],
    ['a class and features', { classLabel: 1, features: {} }, 'invalid-argument', 'not by both'],
  ])('refuses %s', async (_, request, code, message) => {
    await expect(branchesOf(request, classes)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});

describe('a request by features', () => {
  const mask = Uint8Array.of(0, 1);
  const values = Float32Array.of(1, 2, 3, 4, 5, 6);

  it('asks by them, guided away from none of them under the same mask', async () => {
    expect(await branchesOf({ features: { values, mask }, guidance: 2 }, features)).toEqual([
      [
        { text: new Int32Array(), features: { values, mask }, weight: 2 },
        { text: new Int32Array(), features: { mask }, weight: -1 },
      ],
    ]);
    expect(await branchesOf({ features: { values } }, features)).toEqual([[{ text: new Int32Array(), features: { values }, weight: 1 }]]);
  });

  it('is refused by priors of texts, and a sentence by priors of features', async () => {
    await expect(branchesOf({ features: { values } })).rejects.toMatchObject({ code: 'prompt-invalid', message: expect.stringContaining('Give a prompt alone') });
    await expect(branchesOf({ prompt: 'a' }, features)).rejects.toMatchObject({ code: 'prompt-invalid', message: expect.stringContaining('2 vectors of 3 numbers') });
  });
});

describe('a request by a sentence', () => {
  it('says what is missing where nothing reads sentences', async () => {
    await expect(branchesOf({ prompt: 'a' }, { kind: 'text' })).rejects.toMatchObject({ code: 'model-incompatible', message: expect.stringContaining('without a text tokenizer') });
    await expect(branchesOf({})).rejects.toMatchObject({ code: 'prompt-invalid' });
  });
});
