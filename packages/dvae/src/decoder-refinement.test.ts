import { createTrainingStep, float32Array, initialTrainingState, int32Array, keyFromSeed, train, uniformArray } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import type { DvaeConfiguration } from './configuration.js';
import { decoderRefinementLoss } from './decoder-refinement.js';

const configuration: DvaeConfiguration = { kind: 'dvae', imageSize: 4, codebookSize: 3, hidden: 4, groups: 2, blocksPerGroup: 1, decoderInput: 4, residualGain: 0.5 };

describe('refining the decoder', () => {
  const step = createTrainingStep('refine', decoderRefinementLoss(configuration, 2), { learningRate: { kind: 'constant', value: 0.01 } });

  it('trains parameters of the decoder only', () => {
    expect([...step.specs.keys()].every((name) => name.startsWith('decoder.'))).toBe(true);
    expect(step.specs.has('decoder.input.weight')).toBe(true);
  });

  it('brings the decoded pictures nearer to the pixels', async () => {
    const key = keyFromSeed(4);
    const inputs = { codes: int32Array([2, 2, 2], [0, 1, 2, 0, 1, 1, 0, 2]), pixels: float32Array([2, 3, 4, 4], uniformArray(key, 96)) };
    const losses: number[] = [];
    await train({
      backend: createReferenceBackend(),
      step,
      state: initialTrainingState(step, key),
      steps: 30,
      batch: () => inputs,
      onProgress: ({ metrics }) => void losses.push(metrics.loss ?? 0),
    });
    expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] ?? 0));
  });
});
