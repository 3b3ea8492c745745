import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../backend/reference/index.js';
import { trace } from '../graph/index.js';
import { float32Array, type HostArray, int32Array } from '../tensor/index.js';
import { initialPlateau, type PlateauSchedule, plateauRate } from './plateau.js';

const schedule: PlateauSchedule = { kind: 'warmup-plateau', peak: 8, warmup: 4, window: 3, improvement: 0.1, halvings: 2 };

/** The rate of every update of a training with these losses, the state going through the host between two updates. */
function ratesOf(losses: readonly number[], change: Partial<PlateauSchedule> = {}): number[] {
  const graph = trace('rate', (scope) => {
    const { rate, remember } = plateauRate({ ...schedule, ...change }, scope.input('step', [], 'int32'), scope);
    remember(scope.input('loss', []), scope.assign);
    scope.output('rate', rate);
  });
  const state = new Map<string, HostArray>(initialPlateau());
  return losses.map((loss, step) => {
    const { outputs, updates } = evaluateGraph(graph, { inputs: { step: int32Array([], [step]), loss: float32Array([], [loss]) }, state });
    for (const [name, value] of Object.entries(updates)) state.set(name, value);
    return outputs.rate?.data[0] ?? Number.NaN;
  });
}

const warmUp = [2, 4, 6, 8];
const flat = (loss: number, updates: number): number[] => Array.from({ length: updates }, () => loss);

describe('a learning rate that is halved at plateaus', () => {
  it('rises in its warm-up, and stays while means over a window fall by enough', () => {
    expect(ratesOf([...flat(1, 4), ...flat(1, 3), ...flat(0.8, 3), ...flat(0.7, 3), 0])).toEqual([...warmUp, ...flat(8, 10)]);
  });

  it('is halved by the first update after a window without improvement, and no oftener than told', () => {
    // Windows of 1, 0.95 (not a tenth less), 0.7 (enough), 0.7, 0.7 and 0.7 (the two halvings are used up).
    const losses = [...flat(9, 4), ...flat(1, 3), ...flat(0.95, 3), ...flat(0.7, 3), ...flat(0.7, 3), ...flat(0.7, 3), 0.7];
    expect(ratesOf(losses)).toEqual([...warmUp, ...flat(8, 6), ...flat(4, 6), ...flat(2, 4)]);
  });

  it('goes by the mean: one bad update is no plateau, and a slow creep below the lowest mean is one', () => {
    expect(ratesOf([...flat(1, 4), 1, 1, 1, 0.5, 1.1, 0.5, 1])).toEqual([...warmUp, ...flat(8, 7)]);
    expect(ratesOf([...flat(1, 4), 1, 1, 1, 0.97, 0.97, 0.97, 0.94])).toEqual([...warmUp, ...flat(8, 6), 4]);
  });

  it('reads losses below zero, as likelihoods have them, the right way round', () => {
    expect(ratesOf([...flat(-1, 4), ...flat(-1, 3), ...flat(-1.2, 3), ...flat(-1.25, 3), 0])).toEqual([...warmUp, ...flat(8, 9), 4]);
  });

  it('begins at once without warm-up', () => {
    expect(ratesOf([...flat(1, 7)], { warmup: 0 })).toEqual([...flat(8, 6), 4]);
  });
});
