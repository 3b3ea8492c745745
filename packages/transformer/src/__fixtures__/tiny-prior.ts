import { deriveKey, float32Array, type HostArray, int32Array, keyFromSeed, normalArray, createParameterTree, trace, type WeightSource } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { declareCondition } from '../condition.js';
import { imageLengthOf, type PriorConfiguration } from '../configuration.js';
import { padText } from '../pad-text.js';
import { priorLogits, priorParameters } from '../transformer.js';

export const tinyConfiguration: PriorConfiguration = {
  kind: 'prior',
  width: 8,
  layers: 2,
  heads: 2,
  textVocabularySize: 7,
  textLength: 3,
  grid: { rows: 3, columns: 4 },
  codebookSize: 11,
  attention: 'full',
};

/** Weights far larger than first ones, so that scores differ clearly and every path through the model matters. */
export function lively(configuration: PriorConfiguration, seed = 1): Map<string, HostArray> {
  const key = keyFromSeed(seed);
  return new Map(
    Array.from(priorParameters(configuration).values(), ({ name, shape }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const offset = name.endsWith('norm.weight') ? 1 : 0;
      const scale = name.includes('head') ? 0.7 : 0.4;
      return [name, float32Array(shape, normalArray(deriveKey(key, name), size).map((value) => offset + scale * value))] as const;
    }),
  );
}

export function sourceOf(weights: ReadonlyMap<string, HostArray>): WeightSource {
  return {
    types: new Map(Array.from(weights, ([name, { shape, dtype }]) => [name, { name, shape, dtype }] as const)),
    async read(name) {
      const value = weights.get(name);
      if (value === undefined) throw new RangeError(`no weight '${name}'`);
      return value;
    },
  };
}

/** Logits of the uncached forward pass, one example: text [textLength][ids], image [positions][codes]. */
export function forward(configuration: PriorConfiguration, weights: ReadonlyMap<string, HostArray>, ids: readonly number[], codes: ArrayLike<number>): { text: number[][]; image: number[][] } {
  const positions = imageLengthOf(configuration);
  const graph = trace('forward', (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const logits = priorLogits(tree.root, configuration, declareCondition(scope, configuration, 1), scope.input('codes', [1, positions], 'int32'));
    if (logits.text !== undefined) scope.output('text', logits.text);
    scope.output('image', logits.image);
  });
  const { outputs } = evaluateGraph(graph, {
    inputs: { text: int32Array([1, configuration.textLength], padText(configuration, ids)), codes: int32Array([1, positions], Array.from(codes)) },
    constants: weights,
  });
  const rows = (value: HostArray | undefined): number[][] => {
    const [, length = 0, classes = 0] = value?.shape ?? [];
    return Array.from({ length }, (_, row) => Array.from(value?.data.subarray(row * classes, (row + 1) * classes) ?? []));
  };
  return { text: rows(outputs.text), image: rows(outputs.image) };
}

export function logSoftmaxOf(scores: readonly number[]): number[] {
  const top = Math.max(...scores);
  const total = Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0)) + top;
  return scores.map((score) => score - total);
}
