import { describe, expect, it } from 'vitest';
import { createReferenceBackend } from '../backend/reference/index.js';
import * as ops from '../ops/index.js';
import { float32Array, type HostArray } from '../tensor/index.js';
import { createEvaluationStep, createTrainingStep, initialTrainingState, type LossFunction, stateNames, train } from './index.js';

/** A weight that gradient descent would move, placed at the running mean of x instead; beside it one that the objective rounds. */
const loss: LossFunction = ({ scope, parameters }) => {
  const x = scope.input('x', [2]);
  const placed = parameters.parameter('placed', [2], { kind: 'ones' });
  const rounded = parameters.parameter('rounded', [2], { kind: 'ones' });
  const mean = ops.add(ops.multiply(scope.state(stateNames.running('mean'), [2]), 0.75), ops.multiply(x, 0.25));
  return {
    loss: ops.reduceSum(ops.square(ops.subtract(ops.add(placed, rounded), x))),
    placed: { placed: () => mean, rounded: (byOptimizer) => ops.floor(byOptimizer) },
    running: { mean: { initial: { parameter: 'placed' }, after: mean }, updates: { initial: 5, after: ops.add(scope.state(stateNames.running('updates'), []), 1) } },
  };
};

const step = createTrainingStep('placed', loss, { learningRate: { kind: 'constant', value: 0.1 }, ema: 0.5 });
const initial = (): Map<string, HostArray> =>
  initialTrainingState(
    step,
    new Map([
      ['placed', float32Array([2], [4, 8])],
      ['rounded', float32Array([2], [3, 3])],
    ]),
  );
const run = (state: ReadonlyMap<string, HostArray>, steps: number): Promise<Map<string, HostArray>> =>
  train({ backend: createReferenceBackend(), step, state, steps, batch: (at) => ({ x: float32Array([2], [at, 0]) }) });

describe('what an objective keeps', () => {
  it('begins as a number or as a parameter, and is part of the state', () => {
    const state = initial();
    expect(Array.from(state.get('running.mean')?.data ?? [])).toEqual([4, 8]);
    expect(Array.from(state.get('running.updates')?.data ?? [])).toEqual([5]);
  });

  it('goes on update by update, and decides what parameters become, their average too', async () => {
    const state = await run(initial(), 2);
    // ¾(¾·4 + ¼·0) + ¼·1 and ¾·¾·8.
    expect(Array.from(state.get('placed')?.data ?? [])).toEqual([2.5, 4.5]);
    expect(Array.from(state.get('running.mean')?.data ?? [])).toEqual([2.5, 4.5]);
    expect(Array.from(state.get('running.updates')?.data ?? [])).toEqual([7]);
    // AdamW's steps of at most 0.1 below 3: once below, they are rounded down at once.
    for (const value of state.get('rounded')?.data ?? []) expect([1, 2]).toContain(value);
    const [first = 0] = (await run(initial(), 1)).get('placed')?.data ?? [];
    expect(first).toBe(3);
    // The average's decay is 0.1 at the first update, 2/11 at the second.
    expect(state.get('ema.placed')?.data[0]).toBeCloseTo((2 / 11) * (0.1 * 4 + 0.9 * 3) + (9 / 11) * 2.5, 5);
  });

  it('is resumed to the bit', async () => {
    expect(await run(await run(initial(), 3), 7)).toEqual(await run(initial(), 7));
  });

  it('stands still in an evaluation', async () => {
    const evaluation = createEvaluationStep('evaluation', loss, { average: false });
    expect(evaluation.updates).toEqual([]);
  });
});
