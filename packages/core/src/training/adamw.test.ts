import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../backend/reference/index.js';
import { trace } from '../graph/index.js';
import * as ops from '../ops/index.js';
import { deriveKey, keyFromSeed, normalArray } from '../random/index.js';
import { float32Array, type HostArray, int32Array } from '../tensor/index.js';
import {
  createEvaluationStep,
  createTrainingStep,
  globalNorm,
  initialTrainingState,
  type LossFunction,
  type OptimizerOptions,
  type Schedule,
  scheduleValue,
  stateNames,
  trainedParameters,
} from './index.js';

/** ½·Σ(p − target)², so that the gradient of every parameter is known: p − target. */
const quadratic: LossFunction = ({ scope, parameters }) => {
  const shapes = { matrix: [2, 3], bias: [3], embedding: [130, 127] } as const;
  const terms = Object.entries(shapes).map(([name, shape]) => {
    const parameter = parameters.parameter(name, shape, { kind: 'normal', deviation: 1 }, name === 'embedding' ? { decay: false } : {});
    return ops.multiply(ops.reduceSum(ops.square(ops.subtract(parameter, scope.input(`target.${name}`, shape)))), 0.5);
  });
  return { loss: terms.reduce((sum, term) => ops.add(sum, term)) };
};

const names = ['matrix', 'bias', 'embedding'] as const;
// The embedding is large enough to be updated alone.
const sizes = { matrix: 6, bias: 3, embedding: 130 * 127 } as const;
const shapes = { matrix: [2, 3], bias: [3], embedding: [130, 127] } as const;

const targetsAt = (step: number): Record<string, HostArray> =>
  Object.fromEntries(names.map((name) => [`target.${name}`, float32Array(shapes[name], normalArray(deriveKey(keyFromSeed(3), name, step), sizes[name]))]));

type ScheduledOptions = OptimizerOptions & { readonly learningRate: Schedule };

/** AdamW as its paper writes it (Algorithm 2), in float64, with clipping and the average beside it. */
function plainAdamW(
  initial: ReadonlyMap<string, HostArray>,
  options: ScheduledOptions,
  steps: number,
): { parameters: Record<string, number[]>; averages: Record<string, number[]>; norms: number[] } {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, clipNorm = Number.POSITIVE_INFINITY, ema = 0 } = options;
  const parameters = Object.fromEntries(names.map((name) => [name, Array.from(initial.get(name)?.data ?? [])]));
  const averages = structuredClone(parameters);
  const means = Object.fromEntries(names.map((name) => [name, new Array<number>(sizes[name]).fill(0)]));
  const variances = structuredClone(means);
  const norms: number[] = [];
  for (let step = 0; step < steps; step += 1) {
    const targets = targetsAt(step);
    const gradients = Object.fromEntries(names.map((name) => [name, (parameters[name] ?? []).map((value, index) => value - (targets[`target.${name}`]?.data[index] ?? 0))]));
    const norm = Math.sqrt(names.reduce((sum, name) => sum + (gradients[name] ?? []).reduce((part, value) => part + value ** 2, 0), 0));
    norms.push(norm);
    const rate = scheduleValue(options.learningRate, step);
    const count = step + 1;
    const averageDecay = Math.min(ema, (1 + step) / (10 + step));
    for (const name of names) {
      for (let index = 0; index < sizes[name]; index += 1) {
        const gradient = (gradients[name]?.[index] ?? 0) * Math.min(1, clipNorm / norm);
        const mean = beta1 * (means[name]?.[index] ?? 0) + (1 - beta1) * gradient;
        const variance = beta2 * (variances[name]?.[index] ?? 0) + (1 - beta2) * gradient ** 2;
        const before = parameters[name]?.[index] ?? 0;
        const decayed = name === 'matrix' ? before - rate * weightDecay * before : before;
        const after = decayed - (rate * (mean / (1 - beta1 ** count))) / (Math.sqrt(variance / (1 - beta2 ** count)) + epsilon);
        (means[name] ?? [])[index] = mean;
        (variances[name] ?? [])[index] = variance;
        (parameters[name] ?? [])[index] = after;
        (averages[name] ?? [])[index] = averageDecay * (averages[name]?.[index] ?? 0) + (1 - averageDecay) * after;
      }
    }
  }
  return { parameters, averages, norms };
}

function largestError(found: HostArray | undefined, expected: readonly number[] | undefined): number {
  if (found === undefined || found.data.length !== expected?.length) return Number.NaN;
  return expected.reduce((largest, value, index) => Math.max(largest, Math.abs(value - (found.data[index] ?? Number.NaN))), 0);
}

describe('AdamW in the graph is AdamW on paper', () => {
  const learningRate: Schedule = { kind: 'warmup-cosine', peak: 0.1, warmup: 3, final: 0.01, steps: 8 };
  const variants: readonly (readonly [string, ScheduledOptions])[] = [
    ['plain, with bias correction', { learningRate: { kind: 'constant', value: 0.05 } }],
    ['other betas and a large ε', { learningRate, beta1: 0.5, beta2: 0.9, epsilon: 0.1 }],
    ['decay of matrices only: not of biases, nor of what says decay: false', { learningRate, weightDecay: 0.3 }],
    ['gradients clipped to a norm', { learningRate, clipNorm: 0.7 }],
    ['a norm that is never reached', { learningRate, clipNorm: 1e6 }],
    ['everything, with an average', { learningRate, weightDecay: 0.1, clipNorm: 2, ema: 0.3, beta2: 0.95 }],
  ];
  for (const [name, options] of variants) {
    it(name, () => {
      const step = createTrainingStep('step', quadratic, options);
      const initial = initialTrainingState(step, keyFromSeed(1));
      const state = new Map(initial);
      const norms: number[] = [];
      for (let done = 0; done < 8; done += 1) {
        const { outputs, updates } = evaluateGraph(step.graph, { inputs: targetsAt(done), state });
        for (const [updated, value] of Object.entries(updates)) state.set(updated, value);
        norms.push(outputs.gradientNorm?.data[0] ?? Number.NaN);
        expect(outputs.learningRate?.data[0]).toBeCloseTo(scheduleValue(options.learningRate, done), 6);
      }
      const expected = plainAdamW(initial, options, 8);
      expect(state.get(stateNames.step)).toEqual(int32Array([], [8]));
      for (const parameter of names) {
        expect(largestError(state.get(parameter), expected.parameters[parameter])).toBeLessThan(5e-5);
        if (options.ema !== undefined) expect(largestError(state.get(stateNames.average(parameter)), expected.averages[parameter])).toBeLessThan(5e-5);
      }
      // The norm that is told is the one before clipping.
      expect(largestError(float32Array([8], norms), expected.norms)).toBeLessThan(1e-3);
    });
  }

  it('updates small parameters in one go: those that decay, and those that do not', () => {
    const spread: LossFunction = ({ parameters }) => {
      const terms = Array.from({ length: 20 }, (_, index) => ops.reduceSum(ops.square(parameters.parameter(`${index}`, index < 12 ? [3, 4] : [5], { kind: 'zeros' }))));
      return { loss: terms.reduce((sum, term) => ops.add(sum, term)) };
    };
    const { graph } = createTrainingStep('step', spread, { learningRate: { kind: 'constant', value: 0.05 }, weightDecay: 0.1 });
    const roots = graph.nodes.filter(({ operation, shape }) => operation === 'sqrt' && shape.length > 0);
    expect(roots.map(({ shape }) => shape)).toEqual([[12 * 12], [8 * 5]]);
  });

  it('moves every parameter by the learning rate at the first update, whatever the scale of its gradient', () => {
    const step = createTrainingStep('step', quadratic, { learningRate: { kind: 'constant', value: 0.01 } });
    const state = initialTrainingState(step, keyFromSeed(1));
    const { updates } = evaluateGraph(step.graph, { inputs: targetsAt(0), state });
    for (const parameter of names) {
      const before = state.get(parameter)?.data ?? [];
      Array.from(updates[parameter]?.data ?? []).forEach((value, index) => expect(Math.abs(value - (before[index] ?? 0))).toBeCloseTo(0.01, 5));
    }
  });
});

describe('a training step', () => {
  const options: OptimizerOptions = { learningRate: { kind: 'constant', value: 0.1 }, ema: 0.9 };
  const step = createTrainingStep('step', quadratic, options);

  it('begins with zero moments and an average equal to the parameters', () => {
    const state = initialTrainingState(step, keyFromSeed(1));
    expect([...state.keys()].filter((name) => name.startsWith('optimizer.')).sort()).toEqual(
      [stateNames.step, ...names.flatMap((name) => [stateNames.mean(name), stateNames.variance(name)])].sort(),
    );
    for (const name of names) {
      expect(Array.from(state.get(stateNames.mean(name))?.data ?? [1]).every((value) => value === 0)).toBe(true);
      expect(state.get(stateNames.average(name))).toEqual(state.get(name));
    }
  });

  it('begins with given parameters too', () => {
    const given = new Map(names.map((name) => [name, float32Array(shapes[name], new Float32Array(sizes[name]).fill(2))] as const));
    expect(initialTrainingState(step, given).get('bias')).toEqual(given.get('bias'));
  });

  it('is evaluated on its parameters or on their average, without an update', () => {
    const state = new Map(initialTrainingState(step, keyFromSeed(1)));
    const lossOf = (average: boolean): number =>
      evaluateGraph(createEvaluationStep('evaluation', quadratic, { average }), { inputs: targetsAt(0), state }).outputs.loss?.data[0] ?? Number.NaN;
    expect(createEvaluationStep('evaluation', quadratic, { average: true }).updates).toEqual([]);
    expect(lossOf(false)).toBe(lossOf(true));
    for (const [name, value] of Object.entries(evaluateGraph(step.graph, { inputs: targetsAt(0), state }).updates)) state.set(name, value);
    expect(lossOf(false)).not.toBe(lossOf(true));
  });

  it('gives the average as the trained parameters, where there is one', () => {
    const state = new Map(initialTrainingState(step, keyFromSeed(1)));
    state.set(stateNames.average('bias'), float32Array([3], [1, 2, 3]));
    expect(trainedParameters(step, state).get('bias')).toEqual(float32Array([3], [1, 2, 3]));
    const { ema: _, ...withoutAverage } = options;
    const plain = createTrainingStep('plain', quadratic, withoutAverage);
    expect(trainedParameters(plain, state).get('bias')).toEqual(state.get('bias'));
    expect([...trainedParameters(step, state).keys()]).toEqual([...names]);
  });

  it('has the Euclidean norm of all gradients together', () => {
    const graph = trace('norm', (scope) => scope.output('norm', globalNorm([scope.input('a', [2]), scope.input('b', [1, 1])])));
    expect(evaluateGraph(graph, { inputs: { a: float32Array([2], [2, 3]), b: float32Array([1, 1], [6]) } }).outputs.norm?.data[0]).toBe(7);
  });
});
