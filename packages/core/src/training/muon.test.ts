import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../backend/reference/index.js';
import { trace } from '../graph/index.js';
import * as ops from '../ops/index.js';
import { deriveKey, keyFromSeed, normalArray } from '../random/index.js';
import { float32Array, type HostArray, type Shape } from '../tensor/index.js';
import { createTrainingStep, initialTrainingState, type LossFunction, type OptimizerOptions, orthogonalise, stateNames } from './index.js';

function orthogonalised(shape: Shape, values: readonly number[]): number[] {
  const graph = trace('orthogonalise', (scope) => scope.output('result', orthogonalise(scope.input('matrix', shape))));
  return Array.from(evaluateGraph(graph, { inputs: { matrix: float32Array(shape, values) } }).outputs.result?.data ?? []);
}

/** Five steps of Jordan et al.'s quintic, on one singular value. */
function quintic(value: number): number {
  let x = value;
  for (let step = 0; step < 5; step += 1) x = 3.4445 * x - 4.775 * x ** 3 + 2.0315 * x ** 5;
  return x;
}

const [cos, sin] = [Math.cos(0.4), Math.sin(0.4)];
/** A rotation of the plane, and two orthonormal rows of space: singular vectors that are known. */
const left = [
  [cos, -sin],
  [sin, cos],
];
const right = [
  [2 / 3, 1 / 3, 2 / 3],
  [-2 / 3, 2 / 3, 1 / 3],
];
const withSingularValues = (values: readonly number[]): number[] =>
  left.flatMap((row) => [0, 1, 2].map((column) => values.reduce((sum, value, index) => sum + (row[index] ?? 0) * value * (right[index]?.[column] ?? 0), 0)));

describe('orthogonalise', () => {
  it('keeps the singular vectors and applies the quintic to every singular value', () => {
    for (const values of [
      [3, 0.5],
      [1, 1],
      [200, 7],
      [1e-3, 2e-3],
    ]) {
      const norm = Math.hypot(...values);
      const expected = withSingularValues(values.map((value) => quintic(value / norm)));
      expect(orthogonalised([2, 3], withSingularValues(values))).toEqual(expected.map((value) => expect.closeTo(value, 4)));
    }
  });

  it('brings singular values that differ thirtyfold near 1', () => {
    for (let share = 0.03; share <= 1; share += 0.01) {
      expect(quintic(share)).toBeGreaterThan(0.65);
      expect(quintic(share)).toBeLessThan(1.25);
    }
  });

  it('gives a tall matrix what it gives its transpose, transposed', () => {
    const wide = Array.from(normalArray(keyFromSeed(1), 15));
    const tall = [0, 1, 2, 3, 4].flatMap((column) => [0, 1, 2].map((row) => wide[row * 5 + column] ?? 0));
    const result = orthogonalised([3, 5], wide);
    expect(orthogonalised([5, 3], tall)).toEqual([0, 1, 2, 3, 4].flatMap((column) => [0, 1, 2].map((row) => expect.closeTo(result[row * 5 + column] ?? 0, 5))));
  });

  it('makes nothing of nothing', () => {
    expect(orthogonalised([2, 3], new Array<number>(6).fill(0))).toEqual(new Array<number>(6).fill(0));
  });
});

const names = ['blocks.0.weight', 'blocks.0.bias', 'head.weight', 'blocks-like.weight'] as const;
const shapeOf: Readonly<Record<string, Shape>> = { 'blocks.0.weight': [1, 4], 'blocks.0.bias': [4], 'head.weight': [1, 4], 'blocks-like.weight': [1, 4] };
/** Its gradient is the input of the same name, whatever the parameters are. */
const linearLoss: LossFunction = ({ scope, parameters }) => {
  const terms = names.map((name) => {
    const shape = shapeOf[name] ?? [];
    return ops.reduceSum(ops.multiply(parameters.parameter(name, shape, { kind: 'normal', deviation: 1 }), scope.input(`gradient.${name}`, shape)));
  });
  return { loss: terms.reduce((sum, term) => ops.add(sum, term)) };
};
const gradientsAt = (step: number): Record<string, HostArray> =>
  Object.fromEntries(names.map((name) => [`gradient.${name}`, float32Array(shapeOf[name] ?? [], normalArray(deriveKey(keyFromSeed(3), name, step), 4))]));

describe('Muon in a training step', () => {
  const rate = 0.05;
  const options: OptimizerOptions = { learningRate: { kind: 'constant', value: rate }, weightDecay: 0.2, muon: { under: 'blocks', momentum: 0.9 } };
  const run = (given: OptimizerOptions, steps: number): { first: ReadonlyMap<string, HostArray>; last: ReadonlyMap<string, HostArray> } => {
    const step = createTrainingStep('step', linearLoss, given);
    const first = initialTrainingState(step, keyFromSeed(1));
    const last = new Map(first);
    for (let done = 0; done < steps; done += 1)
      for (const [name, value] of Object.entries(evaluateGraph(step.graph, { inputs: gradientsAt(done), state: last }).updates)) last.set(name, value);
    return { first, last };
  };

  it("steps along Nesterov's momentum by 0.2·√(longer side) learning rates, with decoupled decay", () => {
    const { first, last } = run(options, 5);
    const weight = Array.from(first.get('blocks.0.weight')?.data ?? []);
    const mean = new Array<number>(4).fill(0);
    for (let step = 0; step < 5; step += 1) {
      const gradient = Array.from(gradientsAt(step)['gradient.blocks.0.weight']?.data ?? []);
      const toward = (index: number): number => 0.9 * (mean[index] ?? 0) + 0.1 * (gradient[index] ?? 0);
      for (let index = 0; index < 4; index += 1) mean[index] = toward(index);
      const ahead = mean.map((_, index) => toward(index));
      // A single row has one singular value, its norm, which becomes quintic(1).
      const scale = (0.2 * Math.sqrt(4) * quintic(1)) / Math.hypot(...ahead);
      for (let index = 0; index < 4; index += 1) weight[index] = (weight[index] ?? 0) * (1 - rate * 0.2) - rate * scale * (ahead[index] ?? 0);
    }
    expect(Array.from(last.get('blocks.0.weight')?.data ?? [])).toEqual(weight.map((value) => expect.closeTo(value, 4)));
  });

  it('leaves to AdamW what is no matrix or lies elsewhere, to the bit', () => {
    const { muon: _, ...plain } = options;
    const { last: withMuon } = run(options, 3);
    const { last: without } = run(plain, 3);
    for (const name of names.slice(1)) expect(withMuon.get(name)).toEqual(without.get(name));
    expect(withMuon.get('blocks.0.weight')).not.toEqual(without.get('blocks.0.weight'));
  });

  it('keeps no variance of what it updates', () => {
    const { first } = run(options, 0);
    expect(first.has(stateNames.mean('blocks.0.weight'))).toBe(true);
    expect(first.has(stateNames.variance('blocks.0.weight'))).toBe(false);
    for (const name of names.slice(1)) expect(first.has(stateNames.variance(name))).toBe(true);
  });
});
