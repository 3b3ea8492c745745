import { createTrainingStep, initialTrainingState, keyFromSeed, train } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { openOnnx } from '../../backend-onnx/src/__fixtures__/engines.js';
import { parametersOf, rectangles, tinyDvae } from './__fixtures__/tiny-dvae.js';
import { dvaeWarmUpLoss } from './warm-up.js';

describe('the warm-up', () => {
  const batch = 4;
  const step = createTrainingStep('warm up', dvaeWarmUpLoss(tinyDvae, batch), { learningRate: { kind: 'constant', value: 0.003 }, clipNorm: 10 });

  it('has the discrete model’s parameters by the same names, but the codebook’s two sides', () => {
    const discrete = new Map([...parametersOf(tinyDvae, 'encoder'), ...parametersOf(tinyDvae, 'decoder')].map(({ name, shape }) => [name, shape]));
    const own = Array.from(step.specs.values(), ({ name }) => name);
    expect([...discrete.keys()].filter((name) => !own.includes(name)).sort()).toEqual([
      'decoder.input.bias',
      'decoder.input.weight',
      'encoder.output.bias',
      'encoder.output.weight',
    ]);
    expect(own.filter((name) => !discrete.has(name))).toEqual(['bottleneck.weight']);
    for (const { name, shape } of step.specs.values()) if (discrete.has(name)) expect(shape, name).toEqual(discrete.get(name));
  });

  it('learns to give pictures back', async () => {
    const pixels = rectangles(batch, 8, 2);
    const errors: number[] = [];
    const backend = await openOnnx();
    await train({
      backend,
      step,
      state: initialTrainingState(step, keyFromSeed(4)),
      steps: 60,
      batch: () => ({ pixels }),
      onProgress: ({ metrics }) => {
        errors.push(metrics.squaredError ?? Number.NaN);
      },
    });
    await backend.dispose();
    expect(errors.at(-1)).toBeLessThan((errors[0] ?? 0) / 2);
  }, 240_000);
});
