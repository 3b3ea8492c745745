import { float32Array, int32Array, type Sampling } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { sampleGraph, samplingPlan } from '../sampling.js';

/**
 * The tokens that the middle of each likely token's share of [0, 1) draws: the likely tokens themselves, where our
 * sampling of `scores` has the distribution `probabilities` (sums to 1; a token of at least `least` is likely).
 */
export function drawnAtMiddles(scores: readonly number[], sampling: Sampling, probabilities: readonly number[], least = 1e-4): { readonly likely: number[]; readonly drawn: number[] } {
  const likely: number[] = [];
  const middles: number[] = [];
  let below = 0;
  for (const [token, probability] of probabilities.entries()) {
    if (probability >= least) {
      likely.push(token);
      middles.push(below + probability / 2);
    }
    below += probability;
  }
  const count = likely.length;
  const plan = samplingPlan(sampling, scores.length);
  const { outputs } = evaluateGraph(sampleGraph(count, scores.length, plan), {
    inputs: {
      scores: float32Array(
        [count, scores.length],
        likely.flatMap(() => scores),
      ),
      position: int32Array([], [0]),
      temperature: float32Array([], [sampling.temperature]),
      ...(plan.topP ? { topP: float32Array([], [sampling.topP ?? 1]) } : {}),
      uniforms: float32Array([count, 1], middles),
    },
  });
  return { likely, drawn: Array.from(outputs.tokens?.data ?? []) };
}
