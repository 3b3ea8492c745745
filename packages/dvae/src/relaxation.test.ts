import { deriveKey, float32Array, keyFromSeed, normalArray, trace, uniformArray } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { relax } from './relaxation.js';

function relaxed(shape: readonly [number, number, number, number], logits: Float32Array, noise: Float32Array, temperature: number): Float32Array {
  const graph = trace('relax', (scope) => {
    scope.output('soft', relax(scope.input('logits', shape), scope.input('noise', shape), scope.input('temperature', [])));
  });
  const { outputs } = evaluateGraph(graph, {
    inputs: { logits: float32Array(shape, logits), noise: float32Array(shape, noise), temperature: float32Array([], [temperature]) },
  });
  return Float32Array.from(outputs.soft?.data ?? []);
}

/** The codes' values at every position. */
function columns(values: Float32Array, [batch, codes, rows, width]: readonly [number, number, number, number]): number[][] {
  const plane = rows * width;
  return Array.from({ length: batch * plane }, (_, at) =>
    Array.from({ length: codes }, (_unused, code) => values[(Math.floor(at / plane) * codes + code) * plane + (at % plane)] ?? Number.NaN),
  );
}

const argMaxOf = (values: readonly number[]): number => values.indexOf(Math.max(...values));

describe('the Gumbel-softmax relaxation', () => {
  const shape = [2, 7, 3, 4] as const;
  const size = 2 * 7 * 3 * 4;
  const logits = normalArray(keyFromSeed(1), size).map((value) => 2 * value);
  const noise = uniformArray(keyFromSeed(2), size);
  const perturbed = logits.map((value, index) => value - Math.log(-Math.log(noise[index] ?? 0.5)));

  it.each([0.0625, 0.5, 1, 10])('is a distribution over the codes at every position, at temperature %d', (temperature) => {
    for (const column of columns(relaxed(shape, logits, noise, temperature), shape)) {
      expect(column.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      expect(Math.min(...column)).toBeGreaterThanOrEqual(0);
    }
  });

  it('is softmax of (logits + g)/τ', () => {
    const expected = columns(perturbed, shape);
    columns(relaxed(shape, logits, noise, 0.5), shape).forEach((column, at) => {
      const weights = (expected[at] ?? []).map((value) => Math.exp(value / 0.5));
      const total = weights.reduce((sum, value) => sum + value, 0);
      column.forEach((value, code) => {
        expect(value).toBeCloseTo((weights[code] ?? 0) / total, 5);
      });
    });
  });

  it('becomes the one-hot argmax of logits + g as the temperature goes to 0', () => {
    const expected = columns(perturbed, shape);
    columns(relaxed(shape, logits, noise, 1e-4), shape).forEach((column, at) => {
      expect(argMaxOf(column)).toBe(argMaxOf(expected[at] ?? []));
      expect(Math.max(...column)).toBeCloseTo(1, 4);
    });
  });

  it('stays finite at the ends of the noise', () => {
    const ends = Float32Array.from({ length: 4 }, (_, index) => (index % 2 === 0 ? 2 ** -24 : 1 - 2 ** -24));
    for (const value of relaxed([1, 4, 1, 1], new Float32Array(4), ends, 1 / 16)) expect(Number.isFinite(value)).toBe(true);
  });

  it('chooses each code as often as softmax of the logits says', () => {
    const many = [1, 5, 100, 200] as const;
    const scores = [0, 1, -1, 2, 0.5];
    const positions = 100 * 200;
    const repeated = Float32Array.from({ length: 5 * positions }, (_, index) => scores[Math.floor(index / positions)] ?? 0);
    const counts = new Float64Array(5);
    for (const column of columns(relaxed(many, repeated, uniformArray(deriveKey(keyFromSeed(3), 'gumbel'), 5 * positions), 1), many)) {
      counts[argMaxOf(column)] = (counts[argMaxOf(column)] ?? 0) + 1;
    }
    const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
    scores.forEach((score, code) => {
      const probability = Math.exp(score) / total;
      // Four standard deviations of a binomial share.
      expect(Math.abs((counts[code] ?? 0) / positions - probability)).toBeLessThan(4 * Math.sqrt((probability * (1 - probability)) / positions));
    });
  });
});
