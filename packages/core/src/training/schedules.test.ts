import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../backend/reference/index.js';
import { trace } from '../graph/index.js';
import { int32Array } from '../tensor/index.js';
import { type Schedule, scheduleTensor, scheduleValue } from './index.js';

const schedules: readonly (readonly [string, Schedule])[] = [
  ['constant', { kind: 'constant', value: 3e-4 }],
  ['cosine', { kind: 'cosine', from: 1, to: 1 / 16, steps: 100 }],
  ['rising cosine', { kind: 'cosine', from: 0, to: 6.6, steps: 40 }],
  ['cosine of no steps', { kind: 'cosine', from: 1, to: 0.5, steps: 0 }],
  ['warmup-cosine', { kind: 'warmup-cosine', peak: 4.5e-4, warmup: 10, final: 4.5e-5, steps: 100 }],
  ['warmup-cosine without warm-up', { kind: 'warmup-cosine', peak: 1, warmup: 0, final: 0, steps: 50 }],
  ['warmup-cosine that ends in its warm-up', { kind: 'warmup-cosine', peak: 1, warmup: 50, final: 0.1, steps: 50 }],
];

describe('schedules', () => {
  for (const [name, schedule] of schedules) {
    const largest = Math.max(...Object.values(schedule).flatMap((value) => (typeof value === 'number' && value < 10 ? [value] : [])));
    it(`${name}: the same on the host and in the graph`, () => {
      const graph = trace(name, (scope) => scope.output('value', scheduleTensor(schedule, scope.input('step', [], 'int32'))));
      for (const step of [0, 1, 5, 9, 10, 11, 49, 50, 99, 100, 101, 5000]) {
        const inGraph = evaluateGraph(graph, { inputs: { step: int32Array([], [step]) } }).outputs.value?.data[0] ?? Number.NaN;
        const onHost = scheduleValue(schedule, step);
        expect(Math.abs(inGraph - onHost), `step ${step}: ${inGraph} and ${onHost}`).toBeLessThanOrEqual(1e-6 * largest);
      }
    });
  }

  it('cosine: begins at from, is halfway in the middle, ends at to and stays there', () => {
    const schedule: Schedule = { kind: 'cosine', from: 1, to: 0.2, steps: 100 };
    expect([0, 50, 100, 1000].map((step) => scheduleValue(schedule, step))).toEqual([1, 0.6, 0.2, 0.2].map((value) => expect.closeTo(value, 12)));
    expect(scheduleValue(schedule, 25)).toBeCloseTo(0.2 + 0.8 * 0.5 * (1 + Math.SQRT1_2), 12);
  });

  it('warmup-cosine: rises in equal parts to the peak, the first update already learning, then falls', () => {
    const schedule: Schedule = { kind: 'warmup-cosine', peak: 1, warmup: 4, final: 0, steps: 8 };
    expect([0, 1, 2, 3, 4, 6, 8, 9].map((step) => scheduleValue(schedule, step))).toEqual([0.25, 0.5, 0.75, 1, 1, 0.5, 0, 0].map((value) => expect.closeTo(value, 12)));
  });
});
