import { float32Array, int32Array, keyFromSeed, type Sampling, uniformArray } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { allEngines } from '../../backend-tfjs-gpu/src/__fixtures__/all-engines.js';
import { checkDrawn, sampleGraph, samplingPlan } from './sampling.js';

/** Tokens sampled from the same scores, one for each uniform number. */
function sample(scores: readonly number[], sampling: Sampling, uniforms: Float32Array | readonly number[]): number[] {
  const count = uniforms.length;
  const plan = samplingPlan(sampling, scores.length);
  const { outputs } = evaluateGraph(sampleGraph(count, scores.length, plan), {
    inputs: {
      scores: float32Array([count, scores.length], Array.from({ length: count }, () => scores).flat()),
      position: int32Array([], [0]),
      temperature: float32Array([], [sampling.temperature]),
      topP: float32Array([], [sampling.topP ?? 1]),
      uniforms: float32Array([count, 1], uniforms),
    },
  });
  return Array.from(outputs.tokens?.data ?? []);
}

const uniforms = uniformArray(keyFromSeed(11), 4000);
const shares = [0.4, 0.05, 0.3, 0, 0.15, 0.1];
const scores = shares.map((share) => (share === 0 ? -1e9 : Math.log(share) + 3));
const evenly = Array.from({ length: 999 }, (_, index) => (index + 0.5) / 999);

function chiSquare(tokens: readonly number[], expected: readonly number[]): number {
  return expected.reduce((sum, share, token) => {
    const seen = tokens.filter((other) => other === token).length;
    const wanted = share * tokens.length;
    return wanted === 0 ? sum + (seen === 0 ? 0 : Number.POSITIVE_INFINITY) : sum + (seen - wanted) ** 2 / wanted;
  }, 0);
}

const kept = (sampling: Sampling, from = scores): number[] => [...new Set(sample(from, sampling, evenly))].sort((a, b) => a - b);

describe('inverse CDF', () => {
  it('takes the first token whose running sum reaches the uniform number', () => {
    // Running sums: 0.4, 0.45, 0.75, 0.75, 0.9, 1.
    expect(sample(scores, { temperature: 1 }, [0.001, 0.39, 0.41, 0.46, 0.74, 0.76, 0.89, 0.91, 0.999])).toEqual([0, 0, 1, 2, 2, 4, 4, 5, 5]);
  });

  it('follows the softmax (chi-square with 4 degrees of freedom below its 99.9 % point, 18.5)', () => {
    expect(chiSquare(sample(scores, { temperature: 1 }, uniforms), shares)).toBeLessThan(18.5);
  });

  it('follows the softmax at another temperature', () => {
    const powers = shares.map((share) => share ** 2);
    const total = powers.reduce((sum, share) => sum + share, 0);
    expect(
      chiSquare(
        sample(scores, { temperature: 0.5 }, uniforms),
        powers.map((share) => share / total),
      ),
    ).toBeLessThan(18.5);
  });

  it('never leaves the range nor takes an impossible token at the ends of (0, 1)', () => {
    const ends = [2 ** -24, 1 - 2 ** -24];
    expect(sample([-1e9, 1, 1, -1e9], { temperature: 1 }, ends)).toEqual([1, 2]);
    expect(sample([Number.NEGATIVE_INFINITY, 5, Number.NEGATIVE_INFINITY], { temperature: 1 }, ends)).toEqual([1, 1]);
    expect(sample([1000, -1000], { temperature: 0.001 }, ends)).toEqual([0, 0]);
  });
});

describe('scores that are none', () => {
  const { NaN: nan, NEGATIVE_INFINITY: forbidden, POSITIVE_INFINITY: infinite } = Number;

  it.each([0, 1])('draw no token at temperature %s', (temperature) => {
    for (const wrong of [
      [1, nan, 2],
      [nan, nan, nan],
      [1, infinite, 2],
      [forbidden, nan, forbidden],
      [forbidden, forbidden, forbidden],
    ]) {
      expect(sample(wrong, { temperature }, [0.1, 0.9]), String(wrong)).toEqual([-1, -1]);
      expect(sample(wrong, { temperature, topK: 2, topP: 0.9 }, [0.1]), String(wrong)).toEqual([-1]);
    }
    expect(sample([forbidden, -3e38, forbidden], { temperature }, [0.5])).toEqual([1]);
  });

  it.each(allEngines)('draw no token on $name', async ({ open }) => {
    const rows = [
      [1, nan, 2],
      [nan, nan, nan],
      [1, infinite, 2],
      [forbidden, nan, forbidden],
      [forbidden, forbidden, forbidden],
      [infinite, forbidden, nan],
      [forbidden, -3e38, forbidden],
      [1, 2, 9],
    ];
    const backend = await open();
    for (const sampling of [{ temperature: 0 }, { temperature: 0.5, topP: 0.9 }]) {
      const program = await backend.compile(sampleGraph(rows.length, 3, samplingPlan(sampling, 3)));
      const { tokens } = await program.run({
        scores: float32Array([rows.length, 3], rows.flat()),
        position: int32Array([], [0]),
        ...(sampling.temperature === 0
          ? {}
          : {
              temperature: float32Array([], [sampling.temperature]),
              topP: float32Array([], [0.9]),
              uniforms: float32Array(
                [rows.length, 1],
                rows.map(() => 0.5),
              ),
            }),
      });
      program.dispose();
      expect(Array.from(tokens?.data ?? [])).toEqual([-1, -1, -1, -1, -1, -1, 1, 2]);
    }
    await backend.dispose();
  });

  it('are an error that says where', () => {
    expect(() => checkDrawn([3, 0, 10], 'here')).not.toThrow();
    expect(() => checkDrawn([3, -1], 'in row 2')).toThrow(
      expect.objectContaining({ code: 'numerical-failure', message: expect.stringContaining('No token can be drawn in row 2') }),
    );
  });
});

describe('what may be sampled', () => {
  it('temperature 0 is the most likely token, the first of equals, whatever top-k and top-p say', () => {
    expect(kept({ temperature: 0, topK: 3, topP: 0.5 })).toEqual([0]);
    expect(kept({ temperature: 0 }, [1, 2, 2])).toEqual([1]);
  });

  it('top-k keeps the k largest; ties with the k-th stay', () => {
    expect(kept({ temperature: 1, topK: 2 })).toEqual([0, 2]);
    expect(kept({ temperature: 1, topK: 1 })).toEqual([0]);
    expect(kept({ temperature: 1, topK: 2 }, [3, 1, 2, 2])).toEqual([0, 2, 3]);
    expect(kept({ temperature: 1, topK: 100 })).toEqual([0, 1, 2, 4, 5]);
  });

  it('top-p keeps the smallest set that reaches p', () => {
    expect(kept({ temperature: 1, topP: 0.39 })).toEqual([0]);
    expect(kept({ temperature: 1, topP: 0.41 })).toEqual([0, 2]);
    expect(kept({ temperature: 1, topP: 0.69 })).toEqual([0, 2]);
    expect(kept({ temperature: 1, topP: 0.71 })).toEqual([0, 2, 4]);
    expect(kept({ temperature: 1, topP: 1 })).toEqual([0, 1, 2, 4, 5]);
  });

  it('top-p counts shares of what temperature and top-k left', () => {
    // Of the three largest, 0.4, 0.3 and 0.15, the first has a share of 0.47.
    expect(kept({ temperature: 1, topK: 3, topP: 0.46 })).toEqual([0]);
    expect(kept({ temperature: 1, topK: 3, topP: 0.48 })).toEqual([0, 2]);
    expect(kept({ temperature: 0.25, topP: 0.7 })).toEqual([0]);
  });

  it.each([
    ['temperature', { temperature: -1 }],
    ['temperature', { temperature: Number.NaN }],
    ['temperature', { temperature: Number.POSITIVE_INFINITY }],
    ['topK', { temperature: 1, topK: 0 }],
    ['topK', { temperature: 1, topK: 1.5 }],
    ['topP', { temperature: 1, topP: 0 }],
    ['topP', { temperature: 1, topP: 1.1 }],
    ['topP', { temperature: 1, topP: Number.NaN }],
  ])('refuses a %s that means nothing', (name, sampling) => {
    expect(() => samplingPlan(sampling, 10)).toThrow(expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining(name) }));
  });
});
