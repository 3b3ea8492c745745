import { describe, expect, it } from 'vitest';
import { createReferenceBackend } from '../backend/reference/index.js';
import type { Tensor } from '../graph/index.js';
import * as ops from '../ops/index.js';
import { float32Array, type HostArray } from '../tensor/index.js';
import { createTrainingStep, initialTrainingState, type LossFunction, stateNames, train } from './index.js';

const rate = { learningRate: { kind: 'constant', value: 0.5 } } as const;

/** A loss of one weight w (1 at first) and an input x. */
const lossOf =
  (body: (weight: Tensor, x: Tensor) => { readonly loss: Tensor; readonly metrics?: Readonly<Record<string, Tensor>> }): LossFunction =>
  ({ scope, parameters }) =>
    body(parameters.parameter('weight', [], { kind: 'ones' }), scope.input('x', []));

/** What the error says of a training that meets x = 2, then the given one. */
async function culpritOf(loss: LossFunction, x: number): Promise<unknown> {
  const step = createTrainingStep('breaking', loss, rate);
  const saved = new Map<number, ReadonlyMap<string, HostArray>>();
  const failure = train({
    backend: createReferenceBackend(),
    step,
    state: initialTrainingState(step, new Map([['weight', float32Array([], [1])]])),
    steps: 4,
    batch: (at) => ({ x: float32Array([], [at < 2 ? 2 : x]) }),
    checkpointEvery: 1,
    saveCheckpoint: async (state, done) => void saved.set(done, structuredClone(state)),
  });
  const error: unknown = await failure.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  // The last good state is there, nothing after it, and training goes on from it once the inputs are sound.
  expect([...saved.keys()]).toEqual([1, 2]);
  const again = await train({ backend: createReferenceBackend(), step, state: saved.get(2) ?? new Map(), steps: 4, batch: () => ({ x: float32Array([], [2]) }) });
  expect(Number.isFinite(again.get('weight')?.data[0])).toBe(true);
  expect(again.get(stateNames.step)?.data[0]).toBe(4);
  return error;
}

describe('a training that breaks', () => {
  it('names an input that is no number', async () => {
    expect(
      await culpritOf(
        lossOf((w, x) => ({ loss: ops.multiply(w, x) })),
        Number.NaN,
      ),
    ).toMatchObject({ details: { culprit: "the input 'x'", step: 3 } });
  });

  it('goes back from a NaN to the infinity it came from', async () => {
    // ln 0 = −∞, and 0 · −∞ is no number.
    const loss = lossOf((w, x) => ({ loss: ops.add(w, ops.multiply(x, ops.log(x))) }));
    expect(await culpritOf(loss, 0)).toMatchObject({ details: { culprit: "the log of [] computed from 'x'" } });
  });

  it('names a term of the loss by its metric', async () => {
    const loss = lossOf((w, x) => {
      const kl = ops.log(x);
      return { loss: ops.add(w, kl), metrics: { kl } };
    });
    expect(await culpritOf(loss, -1)).toMatchObject({ message: expect.stringMatching(/^The loss became NaN at update 3; the first value that is no number is 'kl'/) });
  });

  it('notices a gradient that is infinite where the loss is not, before it spoils the weights', async () => {
    // √|x·w| has an infinite slope at 0.
    const loss = lossOf((w, x) => ({ loss: ops.multiply(ops.sqrt(ops.absolute(ops.multiply(w, x))), 0.1) }));
    expect(await culpritOf(loss, 0)).toMatchObject({ message: expect.stringMatching(/^The gradient became (NaN|Infinity) at update 3; the first value that is no number is /) });
  });

  it('passes over an infinity that harms nothing', async () => {
    const loss = lossOf((w, x) => {
      const masked = ops.exp(ops.add(ops.multiply(x, 0), Number.NEGATIVE_INFINITY));
      return { loss: ops.add(ops.add(w, masked), ops.log(ops.subtract(x, 1))) };
    });
    expect(await culpritOf(loss, 0.5)).toMatchObject({ details: { culprit: expect.stringContaining('the log of') } });
  });
});
