import { describe, expect, it } from 'vitest';
import { createReferenceBackend } from '../backend/reference/index.js';
import { linear } from '../modules/index.js';
import * as ops from '../ops/index.js';
import { deriveKey, keyFromSeed, normalArray } from '../random/index.js';
import { float32Array, type HostArray, int32Array } from '../tensor/index.js';
import { createEvaluationStep, createTrainingStep, initialTrainingState, type LossFunction, stateNames, type TrainOptions, train } from './index.js';

/** A small network that learns a random linear map. */
const network: LossFunction = ({ scope, parameters }) => {
  const hidden = ops.tanh(linear(parameters.child('first'), scope.input('x', [4, 3]), { features: 5 }));
  const error = ops.subtract(linear(parameters.child('second'), hidden, { features: 2 }), scope.input('y', [4, 2]));
  const loss = ops.reduceMean(ops.square(error));
  return { loss, metrics: { largestError: ops.reduceMax(ops.absolute(error)) } };
};

const step = createTrainingStep('network', network, {
  learningRate: { kind: 'warmup-cosine', peak: 0.05, warmup: 3, final: 0.001, steps: 20 },
  weightDecay: 0.01,
  clipNorm: 1,
  ema: 0.9,
});
const initial = (): Map<string, HostArray> => initialTrainingState(step, keyFromSeed(1));

const batch = (at: number): Record<string, HostArray> => {
  const x = normalArray(deriveKey(keyFromSeed(2), at), 12);
  return {
    x: float32Array([4, 3], x),
    y: float32Array(
      [4, 2],
      Array.from({ length: 8 }, (_, index) => (x[index] ?? 0) - (x[index + 4] ?? 0)),
    ),
  };
};

/** Trains and keeps what happened: losses by step and checkpoints. */
async function recorded(options: Partial<TrainOptions> = {}) {
  const losses = new Map<number, number>();
  const checkpoints = new Map<number, ReadonlyMap<string, HostArray>>();
  const state = await train({
    backend: createReferenceBackend(),
    step,
    state: initial(),
    steps: 12,
    batch,
    onProgress: ({ step: done, metrics }) => void losses.set(done, metrics.loss ?? Number.NaN),
    saveCheckpoint: async (values, done) => void checkpoints.set(done, structuredClone(values)),
    checkpointEvery: 5,
    ...options,
  });
  return { state, losses, checkpoints };
}

describe('train', () => {
  it('still evaluates at the end when an interruption came after the last update', async () => {
    const { state } = await recorded();
    const evaluated: number[] = [];
    await recorded({ state, looks: [{ every: 5, look: async (_, done) => void evaluated.push(done) }] });
    expect(evaluated).toEqual([12]);
  });

  it('learns: the loss falls, and progress tells every update', async () => {
    const told: number[] = [];
    await recorded({
      steps: 20,
      batch: () => batch(0),
      onProgress: ({ step: done, steps, metrics, milliseconds }) => {
        told.push(metrics.loss ?? Number.NaN);
        expect([done, steps]).toEqual([told.length, 20]);
        expect(Object.keys(metrics).sort()).toEqual(['gradientNorm', 'largestError', 'learningRate', 'loss']);
        expect(milliseconds).toBeGreaterThanOrEqual(0);
      },
    });
    expect(told).toHaveLength(20);
    expect(told[19]).toBeLessThan((told[0] ?? 0) / 2);
  });

  it('saves every so many updates and at the end, and gives the final state', async () => {
    const { state, checkpoints } = await recorded();
    expect([...checkpoints.keys()]).toEqual([5, 10, 12]);
    expect(checkpoints.get(12)).toEqual(state);
    expect(state.get(stateNames.step)).toEqual(int32Array([], [12]));
  });

  it('resumed from a checkpoint meets the same losses, bit by bit, as without interruption', async () => {
    const whole = await recorded();
    const resumed = await recorded({ state: whole.checkpoints.get(5) ?? new Map() });
    expect([...resumed.losses]).toEqual([...whole.losses].filter(([done]) => done > 5));
    expect(resumed.state).toEqual(whole.state);
    expect([...resumed.checkpoints.keys()]).toEqual([10, 12]);
  });

  it('does nothing when the updates are already done, asking for no batch', async () => {
    const { checkpoints } = await recorded();
    const again = await recorded({
      state: checkpoints.get(12) ?? new Map(),
      batch: () => {
        throw new Error('no batch is needed');
      },
    });
    expect(again.losses.size).toBe(0);
    expect([...again.checkpoints.keys()]).toEqual([]);
    expect(again.state).toEqual(checkpoints.get(12));
  });

  it('asks for the batches of the steps in order, one ahead, none beyond the end', async () => {
    const asked: number[] = [];
    await recorded({
      steps: 4,
      batch: (at) => {
        asked.push(at);
        return batch(at);
      },
    });
    expect(asked).toEqual([0, 1, 2, 3]);
  });

  it('runs evaluations on the live state', async () => {
    const backend = createReferenceBackend();
    const evaluation = createEvaluationStep('evaluation', network, { average: false });
    const found: (readonly [number, number | undefined])[] = [];
    const { losses } = await recorded({
      backend,
      steps: 5,
      looks: [
        {
          every: 2,
          look: async (store, done) => {
            const program = await backend.compile(evaluation, { state: store });
            found.push([done, (await program.run(batch(done))).loss?.data[0]]);
          },
        },
      ],
    });
    expect(found.map(([done]) => done)).toEqual([2, 4, 5]);
    // The loss of update 3 is taken before it, on the parameters after update 2.
    expect(found[0]?.[1]).toBe(losses.get(3));
  });

  it('stops when the loss is not a number, naming the first value that was none and the checkpoint, which is left as it was', async () => {
    const checkpoints: number[] = [];
    const poisoned = (at: number): Record<string, HostArray> => ({ ...batch(at), ...(at === 7 ? { x: float32Array([4, 3], new Float32Array(12).fill(Number.NaN)) } : {}) });
    const failure = recorded({ batch: poisoned, saveCheckpoint: async (_, done) => void checkpoints.push(done) });
    await expect(failure).rejects.toMatchObject({
      code: 'numerical-failure',
      message: expect.stringMatching(/The loss became NaN at update 8; the first value that is no number is the input 'x'/),
      remedy: expect.stringMatching(/The checkpoint of update 5 is as it was\./),
      details: { step: 8 },
    });
    expect(checkpoints).toEqual([5]);
  });

  it('says so when the loss is infinite while everything else is still finite', async () => {
    const overflowing = createTrainingStep(
      'overflow',
      ({ scope, parameters }) => {
        const weight = parameters.parameter('weight', [], { kind: 'ones' });
        return { loss: ops.add(ops.multiply(weight, 0), ops.stopGradient(ops.exp(scope.input('x', [])))) };
      },
      { learningRate: { kind: 'constant', value: 0 } },
    );
    const failure = train({
      backend: createReferenceBackend(),
      step: overflowing,
      state: initialTrainingState(overflowing, keyFromSeed(1)),
      steps: 1,
      batch: () => ({ x: float32Array([], [1000]) }),
    });
    await expect(failure).rejects.toMatchObject({
      code: 'numerical-failure',
      message: expect.stringMatching(/^The loss became Infinity at update 1; the first value that is no number is the exp of \[\] computed from 'x'/),
    });
  });

  it('saves and rejects with the reason when it is aborted', async () => {
    const abort = new AbortController();
    const reason = new Error('the user pressed Ctrl+C');
    const saved = new Map<number, ReadonlyMap<string, HostArray>>();
    const aborted = recorded({
      signal: abort.signal,
      saveCheckpoint: async (values, done) => void saved.set(done, structuredClone(values)),
      onProgress: ({ step: done }) => {
        if (done === 7) abort.abort(reason);
      },
    });
    await expect(aborted).rejects.toBe(reason);
    expect([...saved.keys()]).toEqual([5, 7]);
    const whole = await recorded();
    const resumed = await recorded({ state: saved.get(7) ?? new Map() });
    expect(resumed.state).toEqual(whole.state);
  });

  it('looks at the training as often as each look wants, and loses no update to one that is aborted', async () => {
    const seen: string[] = [];
    const look = (name: string, every: number) => ({ every, look: async (_: unknown, done: number) => void seen.push(`${name}${done}`) });
    await recorded({ looks: [look('a', 5), look('b', 4), look('never', 0)] });
    expect(seen).toEqual(['b4', 'a5', 'b8', 'a10', 'a12', 'b12']);

    const abort = new AbortController();
    const saved: number[] = [];
    const interrupted = {
      every: 7,
      look: async () => {
        abort.abort(new Error('stop'));
        abort.signal.throwIfAborted();
      },
    };
    await expect(recorded({ looks: [interrupted], signal: abort.signal, saveCheckpoint: async (_, done) => void saved.push(done) })).rejects.toThrow('stop');
    expect(saved).toEqual([5, 7]);
  });

  it('saves nothing when it is aborted before the first update', async () => {
    const checkpoints: number[] = [];
    const reason = new Error('too late');
    await expect(recorded({ signal: AbortSignal.abort(reason), saveCheckpoint: async (_, done) => void checkpoints.push(done) })).rejects.toBe(reason);
    expect(checkpoints).toEqual([]);
  });

  // The batch of update 3 is made while update 2 runs: that one is waited for, whichever way the batch fails.
  for (const [how, fail] of [
    ['rejects', () => Promise.reject(new Error('picture 3 cannot be read'))],
    [
      'throws',
      () => {
        throw new Error('picture 3 cannot be read');
      },
    ],
  ] as const) {
    it(`passes on a batch that ${how}, after the update that runs meanwhile`, async () => {
      const told: number[] = [];
      const failure = recorded({ batch: (at) => (at === 3 ? fail() : batch(at)), onProgress: ({ step: done }) => void told.push(done) });
      await expect(failure).rejects.toThrow('picture 3 cannot be read');
      expect(told).toEqual([1, 2, 3]);
    });
  }

  it('refuses a state of another model, naming what differs', async () => {
    const missing = initial();
    missing.delete('second.bias');
    await expect(recorded({ state: missing })).rejects.toMatchObject({
      code: 'model-incompatible',
      message: expect.stringContaining("has no 'second.bias', but the model needs float32 [2]"),
    });
    const other = initial().set('second.bias', float32Array([3], [1, 2, 3]));
    await expect(recorded({ state: other })).rejects.toMatchObject({
      code: 'model-incompatible',
      message: expect.stringContaining("has float32 [3] for 'second.bias', but the model needs float32 [2]"),
    });
  });
});
