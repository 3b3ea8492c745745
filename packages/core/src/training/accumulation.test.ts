import { describe, expect, it } from 'vitest';
import { createReferenceBackend } from '../backend/reference/index.js';
import { linear } from '../modules/index.js';
import * as ops from '../ops/index.js';
import { deriveKey, keyFromSeed, normalArray } from '../random/index.js';
import { float32Array, type HostArray } from '../tensor/index.js';
import { createTrainingStep, initialTrainingState, type LossFunction, type OptimizerOptions, type TrainOptions, train } from './index.js';

const examples = 8;

/** A small network, on `batch` examples at a time. */
const network =
  (batch: number): LossFunction =>
  ({ scope, parameters }) => {
    const hidden = ops.tanh(linear(parameters.child('blocks.first'), scope.input('x', [batch, 3]), { features: 5 }));
    const error = ops.subtract(linear(parameters.child('second'), hidden, { features: 2 }), scope.input('y', [batch, 2]));
    return { loss: ops.reduceMean(ops.square(error)), metrics: { meanError: ops.reduceMean(error) } };
  };

/** Part `part` of the `of` equal parts of an update's examples. */
function examplesOf(step: number, part: number, of: number): Record<string, HostArray> {
  const size = examples / of;
  const own = (name: string, width: number): Float32Array =>
    normalArray(deriveKey(keyFromSeed(2), name, step), examples * width).slice(part * size * width, (part + 1) * size * width);
  return { x: float32Array([size, 3], own('x', 3)), y: float32Array([size, 2], own('y', 2)) };
}

const everything: OptimizerOptions = {
  learningRate: { kind: 'warmup-plateau', peak: 0.05, warmup: 2, window: 3, improvement: 0.5, halvings: 2 },
  weightDecay: 0.1,
  clipNorm: 0.5,
  ema: 0.9,
  muon: { under: 'blocks' },
};

async function trained(accumulate: number, change: Partial<TrainOptions> = {}) {
  const step = createTrainingStep('network', network(examples / accumulate), { ...everything, accumulate });
  const metrics: Readonly<Record<string, number>>[] = [];
  const checkpoints = new Map<number, ReadonlyMap<string, HostArray>>();
  const state = await train({
    backend: createReferenceBackend(),
    step,
    state: initialTrainingState(step, keyFromSeed(1)),
    steps: 9,
    batch: (at, part) => examplesOf(at, part, accumulate),
    onProgress: (progress) => void metrics.push(progress.metrics),
    saveCheckpoint: async (values, done) => void checkpoints.set(done, structuredClone(values)),
    checkpointEvery: 4,
    ...change,
  });
  return { state, metrics, checkpoints };
}

describe('an update that is the mean of several batches', () => {
  it.each([2, 4, 8])('is, of %i, that of one batch with all their examples, to rounding: Muon, AdamW, clipping, average, rate and figures', async (accumulate) => {
    const [whole, parts] = [await trained(1), await trained(accumulate)];
    expect([...parts.state.keys()].sort()).toEqual([...whole.state.keys()].sort());
    for (const [name, { data }] of whole.state) {
      const found = parts.state.get(name)?.data ?? [];
      data.forEach((value, index) => expect(Math.abs((found[index] ?? Number.NaN) - value), name).toBeLessThan(1e-5));
    }
    expect(parts.metrics).toHaveLength(9);
    parts.metrics.forEach((found, at) => {
      const expected = whole.metrics[at] ?? {};
      expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
      for (const [name, value] of Object.entries(expected)) expect(found[name], name).toBeCloseTo(value, 4);
    });
    // Clipping and halving both happened, so both were compared.
    expect(whole.metrics.some(({ gradientNorm = 0 }) => gradientNorm > 0.5)).toBe(true);
    expect(whole.metrics.at(-1)?.learningRate).toBeLessThan(whole.metrics.at(-2)?.learningRate ?? 0);
  });

  it('goes on from a checkpoint, and after an interruption in its middle, to the very same bits', async () => {
    const whole = await trained(4);
    expect((await trained(4, { state: whole.checkpoints.get(4) ?? new Map() })).state).toEqual(whole.state);

    const abort = new AbortController();
    const saved = new Map<number, ReadonlyMap<string, HostArray>>();
    const stopped = trained(4, {
      signal: abort.signal,
      saveCheckpoint: async (values, done) => void saved.set(done, structuredClone(values)),
      batch: (at, part) => {
        // Asked for while part 1 of update 6 runs: two of its four parts are added up by then.
        if (at === 5 && part === 2) abort.abort(new Error('enough'));
        return examplesOf(at, part, 4);
      },
    });
    await expect(stopped).rejects.toThrow('enough');
    expect([...saved.keys()]).toEqual([4, 5]);
    expect((await trained(4, { state: saved.get(5) ?? new Map() })).state).toEqual(whole.state);
  });

  it('changes nothing when one of its batches is no number, and says which', async () => {
    const saved: number[] = [];
    const poisoned = (at: number, part: number): Record<string, HostArray> => ({
      ...examplesOf(at, part, 4),
      ...(at === 4 && part === 1 ? { y: float32Array([2, 2], [1, 2, Number.NaN, 4]) } : {}),
    });
    await expect(trained(4, { batch: poisoned, saveCheckpoint: async (_, done) => void saved.push(done) })).rejects.toMatchObject({
      code: 'numerical-failure',
      message: expect.stringMatching(/The loss became NaN at update 5; the first value that is no number is the input 'y'/),
    });
    expect(saved).toEqual([4]);
  });

  it('is refused where it cannot be meant', () => {
    for (const accumulate of [0, 1.5, -2, Number.NaN]) {
      expect(() => createTrainingStep('network', network(1), { ...everything, accumulate })).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    }
    const counting: LossFunction = (context) => {
      const result = network(1)(context);
      return { ...result, running: { seen: { initial: 0, after: result.loss } } };
    };
    expect(() => createTrainingStep('counting', counting, { ...everything, accumulate: 2 })).toThrow(/keeps values of its own/);
    expect(createTrainingStep('counting', counting, everything).running).toHaveLength(1);
  });
});
