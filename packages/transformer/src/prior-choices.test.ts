import { createParameterTree, type DecodeRequest, deriveKey, type GuidanceBranch, int32Array, keyFromSeed, normalArray, trace } from '@tesserae/core';
import { createReferenceBackend, evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { decodeGreedily } from './__fixtures__/greedy.js';
import { lively, tinyConfiguration } from './__fixtures__/tiny-prior.js';
import type { GivenChoices } from './blocks/choices.js';
import { conditionValues, declareCondition } from './condition.js';
import { type PriorConfiguration, parsePriorConfiguration } from './configuration.js';
import { priorLogits } from './transformer.js';

const backend = createReferenceBackend();
const positions = tinyConfiguration.grid.rows * tinyConfiguration.grid.columns;
const withBlock = (block: GivenChoices, change: Partial<PriorConfiguration> = {}): PriorConfiguration => ({ ...tinyConfiguration, ...change, block });

const priors: Readonly<Record<string, PriorConfiguration>> = {
  'a learned position each': { ...tinyConfiguration, positions: 'learned' },
  'a text without start, padded by one id': { ...tinyConfiguration, condition: { kind: 'text', start: 'none', padding: 0 } },
  'axial turns': { ...tinyConfiguration, headSize: 8, positions: 'rotary-axial', condition: { kind: 'text', start: 'first-token' } },
  'token shift': withBlock({ tokenShift: true }, { layers: 3, attention: 'paper' }),
  'token shift in a reversible network': withBlock({ tokenShift: true, reversible: true }),
  'stable sandwiches with LayerScale': withBlock({ stable: true, normPlacement: 'sandwich', layerScale: true }),
  'shared layers and tied embeddings': withBlock({ attentionOf: [0, 0], feedForwardOf: [0, 0] }, { tiedEmbeddings: true }),
  'a class, turned by row and column': withBlock({ norm: 'rms', feedForward: 'swiglu' }, { textLength: 1, condition: { kind: 'class' }, positions: 'rotary-grid' }),
  'features, some of them hidden': { ...tinyConfiguration, textVocabularySize: 0, condition: { kind: 'features', width: 5 } },
  'an encoder': withBlock(
    { normPlacement: 'normformer', feedForward: 'geglu', hidden: 6 },
    { condition: { kind: 'encoder', layers: 1, padding: 1, emptyText: [0, 2], startToken: 12 }, imageVocabularySize: 13, positions: 'learned', embeddingNorm: true },
  ),
};

/** Told something and told nothing, mixed. */
function branchesOf({ condition, textLength }: PriorConfiguration): GuidanceBranch[] {
  if (condition?.kind === 'features') {
    const mask = Uint8Array.of(0, 1, 1);
    const values = normalArray(deriveKey(keyFromSeed(8), 'features'), textLength * condition.width);
    return [
      { text: new Int32Array(), features: { values, mask }, weight: 2 },
      { text: new Int32Array(), features: { mask }, weight: -1 },
    ];
  }
  return [
    { text: Int32Array.from(condition?.kind === 'class' ? [4] : [2, 5]), weight: 2 },
    { text: new Int32Array(), weight: -1 },
  ];
}

/** The truth: the likeliest code at every position by one pass of the whole model over finished tokens. */
function likeliest(configuration: PriorConfiguration, branches: readonly GuidanceBranch[], tokens: readonly number[]): number[] {
  const count = branches.length;
  const graph = trace('forward', (scope) => {
    const codes = scope.input('codes', [count, positions], 'int32');
    scope.output('image', priorLogits(createParameterTree(scope, 'constant').root, configuration, declareCondition(scope, configuration, count), codes).image);
  });
  const inputs = {
    ...conditionValues(configuration, branches),
    codes: int32Array(
      [count, positions],
      branches.flatMap(() => tokens),
    ),
  };
  const { image } = evaluateGraph(graph, { inputs, constants: lively(configuration) }).outputs;
  const vocabulary = image?.shape[2] ?? 0;
  return Array.from({ length: positions }, (_, position) => {
    const scores = Array.from({ length: configuration.codebookSize }, (_unused, code) =>
      branches.reduce((sum, { weight }, branch) => sum + weight * (image?.data[(branch * positions + position) * vocabulary + code] ?? 0), 0),
    );
    return scores.indexOf(Math.max(...scores));
  });
}

describe.each(Object.entries(priors))('a prior with %s', (_, configuration) => {
  it('is a configuration that survives JSON', () => {
    expect(parsePriorConfiguration(JSON.parse(JSON.stringify(configuration)))).toEqual(configuration);
  });

  it('decodes with caches, by row and by token, what the whole model finds likeliest', async () => {
    const branches = branchesOf(configuration);
    const weights = lively(configuration);
    const decode = (beginnings: readonly (readonly number[])[], change?: Partial<DecodeRequest>): Promise<number[][]> =>
      decodeGreedily(backend, configuration, weights, branches, beginnings, change);
    // Of both candidates the first row is known and read in one pass; one knows a token more.
    const beginnings = [
      [3, 1, 4, 1],
      [5, 9, 2, 6, 0],
    ];
    const [free = []] = await decode([[]]);
    const known = await decode(beginnings);
    expect(await decode(beginnings, { logits: [{ name: 'look', host: () => undefined }] })).toEqual(known);
    [free, ...known].forEach((tokens, index) => {
      const count = (index === 0 ? undefined : beginnings[index - 1])?.length ?? 0;
      expect(tokens.slice(count)).toEqual(likeliest(configuration, branches, tokens).slice(count));
    });
    // What a prior is told, and what it has drawn, matters.
    expect(new Set([...free, ...known.flat()]).size).toBeGreaterThan(3);
  });
});
