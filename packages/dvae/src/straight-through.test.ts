import {
  createTrainingStep,
  deriveKey,
  float32Array,
  type HostArray,
  initialTrainingState,
  keyFromSeed,
  type LossFunction,
  normalArray,
  square,
  type TrainingStep,
  train,
  uniformArray,
} from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { engines } from '../../backend-onnx/src/__fixtures__/engines.js';
import { nearestCodes, type QuantizerConfiguration } from './quantizer.js';
import { keepCodebook, type QuantizerLossOptions } from './straight-through.js';

const configuration: QuantizerConfiguration = { codebookSize: 5, codeWidth: 3, quantizer: 'nearest' };
const places = 8;
const key = keyFromSeed(3);

/** The keeping alone: latents are an input, and the loss moves nothing that matters. */
const lossWith =
  (options: QuantizerLossOptions): LossFunction =>
  (context) => {
    const place = context.parameters.child('quantizer');
    const vectors = context.scope.input('vectors', [2, 2, 2, 3]);
    const codes = nearestCodes(place, vectors, configuration);
    const { metrics, ...kept } = keepCodebook(context, place, configuration, { vectors, codes }, options);
    return { loss: square(context.parameters.parameter('other', [], { kind: 'ones' })), metrics, ...kept };
  };

/** Two clouds of latents, so that some codes are nearest to nothing. */
const latentsAt = (step: number): Float32Array => normalArray(deriveKey(key, 'latents', step), places * 3).map((value, index) => value * 0.1 + (index < 12 ? 1 : -1));
const revivalAt = (step: number): Float32Array => uniformArray(deriveKey(key, 'revival', step), 5);
const codebook = normalArray(deriveKey(key, 'codebook'), 15);
/** The last two codes begin far away. */
const firstCodebook = codebook.map((value, index) => (index < 9 ? value : value + 30));

const firstState = (step: TrainingStep): Map<string, HostArray> =>
  initialTrainingState(
    step,
    new Map([
      ['quantizer.codebook.weight', float32Array([5, 3], firstCodebook)],
      ['other', float32Array([], [1])],
    ]),
  );

function inputsAt(step: number, options: QuantizerLossOptions): Record<string, HostArray> {
  return {
    vectors: float32Array([2, 2, 2, 3], latentsAt(step)),
    ...(options.revivedAfter === undefined ? {} : { revival: float32Array([5], revivalAt(step)) }),
  };
}

/** Appendix A.1 of van den Oord et al. 2017 by hand, in float64, with Laplace's smoothing and revival. */
function byHand(steps: number, { averageDecay = 0.99, revivedAfter = Number.POSITIVE_INFINITY }: QuantizerLossOptions) {
  const row = (values: ArrayLike<number>, index: number): number[] => [0, 1, 2].map((channel) => values[index * 3 + channel] ?? Number.NaN);
  let vectors = [0, 1, 2, 3, 4].map((code) => row(firstCodebook, code));
  let sums = vectors.map((vector) => [...vector]);
  let sizes = [1, 1, 1, 1, 1];
  let unused = [0, 0, 0, 0, 0];
  let revived = 0;
  for (let step = 0; step < steps; step += 1) {
    const latents = Array.from({ length: places }, (_, place) => row(latentsAt(step), place));
    const distance = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, channel) => sum + (value - (b[channel] ?? 0)) ** 2, 0);
    const nearest = latents.map((latent) => vectors.map((vector) => distance(vector, latent)).reduce((best, value, code, all) => (value < (all[best] ?? 0) ? code : best), 0));
    const counts = vectors.map((_, code) => nearest.filter((found) => found === code).length);
    sizes = sizes.map((size, code) => averageDecay * size + (1 - averageDecay) * (counts[code] ?? 0));
    sums = sums.map((sum, code) =>
      sum.map(
        (value, channel) => averageDecay * value + (1 - averageDecay) * latents.reduce((total, latent, place) => total + (nearest[place] === code ? (latent[channel] ?? 0) : 0), 0),
      ),
    );
    const total = sizes.reduce((sum, size) => sum + size, 0);
    vectors = sums.map((sum, code) => sum.map((value) => value / ((((sizes[code] ?? 0) + 1e-5) / (total + 5e-5)) * total)));
    unused = unused.map((before, code) => ((counts[code] ?? 0) > 0 ? 0 : before + 1));
    unused.forEach((since, code) => {
      if (since < revivedAfter) return;
      const chosen = latents[Math.floor((revivalAt(step)[code] ?? 0) * places)] ?? [];
      vectors[code] = [...chosen];
      sums[code] = [...chosen];
      sizes[code] = 1;
      unused[code] = 0;
      revived += 1;
    });
  }
  return { vectors: vectors.flat(), sums: sums.flat(), sizes, unused, revived };
}

const near = (found: HostArray | undefined, expected: readonly number[]): void => {
  expect(found?.data).toHaveLength(expected.length);
  found?.data.forEach((value, index) => {
    expect(Math.abs(value - (expected[index] ?? Number.NaN))).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected[index] ?? 0)));
  });
};

describe.each(engines)('a codebook that is kept, on $name', (engine) => {
  const trained = async (options: QuantizerLossOptions, steps: number, from?: ReadonlyMap<string, HostArray>) => {
    const step = createTrainingStep('kept', lossWith(options), { learningRate: { kind: 'constant', value: 0 } });
    const backend = await engine.open();
    let revived = 0;
    try {
      const state = await train({
        backend,
        step,
        state: from ?? firstState(step),
        steps,
        batch: (at) => inputsAt(at, options),
        onProgress: ({ metrics }) => {
          revived += metrics.revived ?? 0;
        },
      });
      return { state, revived };
    } finally {
      await backend.dispose();
    }
  };

  it.each<[string, QuantizerLossOptions]>([
    ['the running mean of its latents', { codebookUpdate: 'average' }],
    ['a quicker mean', { codebookUpdate: 'average', averageDecay: 0.7 }],
    ['the mean, dead codes put anew', { codebookUpdate: 'average', averageDecay: 0.9, revivedAfter: 3 }],
  ])('is %s, as computed by hand', async (_, options) => {
    const expected = byHand(8, options);
    const { state, revived } = await trained(options, 8);
    near(state.get('quantizer.codebook.weight'), expected.vectors);
    near(state.get('running.codebook.sums'), expected.sums);
    near(state.get('running.codebook.sizes'), expected.sizes);
    if (options.revivedAfter !== undefined) near(state.get('running.codebook.unused'), expected.unused);
    expect(revived).toBe(expected.revived);
    if (options.revivedAfter !== undefined) expect(expected.revived).toBeGreaterThan(1);
  });

  it('puts dead codes anew also where the gradient moves the others', async () => {
    const { state, revived } = await trained({ revivedAfter: 3 }, 3);
    const { data } = state.get('quantizer.codebook.weight') ?? { data: [] };
    const expected = byHand(3, { averageDecay: 1, revivedAfter: 3 });
    expect(revived).toBe(expected.revived);
    near(state.get('quantizer.codebook.weight'), expected.vectors);
    // The far ones have come to where latents are.
    expect(Math.max(...Array.from(data).slice(9))).toBeLessThan(3);
    expect([...state.keys()].filter((name) => name.startsWith('running.'))).toEqual(['running.codebook.unused']);
  });

  it('is resumed to the bit', async () => {
    const options: QuantizerLossOptions = { codebookUpdate: 'average', revivedAfter: 2 };
    const half = await trained(options, 4);
    expect((await trained(options, 9, half.state)).state).toEqual((await trained(options, 9)).state);
  });
});

describe('a codebook that is left to its gradient', () => {
  it('keeps nothing', () => {
    expect(createTrainingStep('left', lossWith({}), { learningRate: { kind: 'constant', value: 0 } }).running).toEqual([]);
  });
});
