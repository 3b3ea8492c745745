import { createParameterTree, float32Array, keyFromSeed, normalArray, trace } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { type FeedForwardKind, withDefaults } from './choices.js';
import { feedForward } from './feed-forward.js';

const width = 3;
const hidden = 4;
const key = keyFromSeed(4);

/** Φ(x) by Simpson's rule from −10. */
function normalCdf(x: number): number {
  const steps = 2000;
  const size = (x + 10) / steps;
  const density = (at: number): number => Math.exp(-0.5 * at * at) / Math.sqrt(2 * Math.PI);
  return (
    Array.from({ length: steps + 1 }, (_, step) => (step === 0 || step === steps ? 1 : step % 2 === 1 ? 4 : 2) * density(-10 + step * size)).reduce((sum, part) => sum + part, 0) *
    (size / 3)
  );
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const plain: Readonly<Record<'gelu' | 'gelu-tanh' | 'gelu-quick', (x: number) => number>> = {
  gelu: (x) => x * normalCdf(x),
  'gelu-tanh': (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  'gelu-quick': (x) => x * sigmoid(1.702 * x),
};
const gates: Readonly<Record<'geglu' | 'swiglu', (x: number) => number>> = { geglu: plain.gelu, swiglu: (x) => x * sigmoid(x) };

function madeBy(kind: FeedForwardKind, x: readonly number[], expand: Float32Array, contract: Float32Array, rows: number): number[] {
  const graph = trace('feed-forward', (scope) => {
    const choices = withDefaults({ feedForward: kind, hidden, biases: { feedForward: false } }, 1, width);
    const initializer = { kind: 'zeros' } as const;
    const place = createParameterTree(scope, 'constant').root;
    scope.output('y', feedForward(place, choices, scope.input('x', [1, width]), { expand: initializer, contract: initializer }));
  });
  const constants = new Map([
    ['expand.weight', float32Array([rows, width], expand)],
    ['contract.weight', float32Array([width, hidden], contract)],
  ]);
  return Array.from(evaluateGraph(graph, { inputs: { x: float32Array([1, width], [...x]) }, constants }).outputs.y?.data ?? []);
}

const times = (matrix: Float32Array, x: readonly number[]): number[] =>
  Array.from({ length: matrix.length / x.length }, (_, row) => x.reduce((sum, value, column) => sum + value * (matrix[row * x.length + column] ?? 0), 0));

describe('feed-forward layers', () => {
  const x = [0.7, -1.3, 2.1];
  const contract = normalArray(key, width * hidden);

  it.each(['gelu', 'gelu-tanh', 'gelu-quick'] as const)('%s: activated, then contracted', (kind) => {
    const expand = normalArray(keyFromSeed(5), hidden * width);
    const truth = times(contract, times(expand, x).map(plain[kind]));
    madeBy(kind, x, expand, contract, hidden).forEach((value, channel) => expect(value).toBeCloseTo(truth[channel] ?? Number.NaN, 5));
  });

  it.each(['geglu', 'swiglu'] as const)('%s: the first half of the rows times the activated second half', (kind) => {
    const expand = normalArray(keyFromSeed(6), 2 * hidden * width);
    const both = times(expand, x);
    const truth = times(
      contract,
      both.slice(0, hidden).map((value, channel) => value * gates[kind](both[hidden + channel] ?? Number.NaN)),
    );
    madeBy(kind, x, expand, contract, 2 * hidden).forEach((value, channel) => expect(value).toBeCloseTo(truth[channel] ?? Number.NaN, 5));
  });
});
