import { createTrainingStep, deriveKey, float32Array, initialiseParameters, initialTrainingState, keyFromSeed, train, uniformArray, weightsFromArrays } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { openOnnx } from '../../../backend-onnx/src/__fixtures__/engines.js';
import { noisePicture, rectangles, tinyDvae } from '../__fixtures__/tiny-dvae.js';
import { imageTokenizerParameters, parseImageTokenizerConfiguration } from '../architectures.js';
import { initialiseCodebook } from '../nearest-codebook.js';
import { createImageTokenizer } from '../tokenizer.js';
import type { VqVaeConfiguration } from './configuration.js';
import { vqVaeTrainingLoss } from './loss.js';

const { kind: _, ...shape } = tinyDvae;
const configuration: VqVaeConfiguration = { kind: 'vq-vae', ...shape, quantizer: 'nearest' };

describe('a VQ-VAE', () => {
  it("has the dVAE's weights but for the codebook's two sides", () => {
    const names = (of: Parameters<typeof imageTokenizerParameters>[0]): string[] => [...imageTokenizerParameters(of).keys()];
    const own = names(configuration);
    expect(
      names(tinyDvae)
        .filter((name) => !own.includes(name))
        .sort(),
    ).toEqual(['decoder.input.bias', 'decoder.input.weight', 'encoder.output.bias', 'encoder.output.weight']);
    expect(own.filter((name) => name.startsWith('quantizer'))).toEqual(['quantizer.input.weight', 'quantizer.input.bias', 'quantizer.codebook.weight']);
  });

  it('comes back from JSON, and refuses a quantizer that has no nearest vector', () => {
    expect(parseImageTokenizerConfiguration(JSON.parse(JSON.stringify(configuration)))).toEqual(configuration);
    expect(() => parseImageTokenizerConfiguration({ ...configuration, quantizer: 'gumbel' })).toThrow(/quantizer: "gumbel"/);
    expect(() => parseImageTokenizerConfiguration({ ...configuration, hidden: 6 })).toThrow(/does not divide by 4/);
  });

  it.each(['nearest', 'nearest-normalised'] as const)(
    'learns to give pictures back with a codebook kept by running means (%s)',
    async (quantizer) => {
      const own: VqVaeConfiguration = { ...configuration, quantizer };
      const batch = 4;
      const pixels = rectangles(batch, 8, 2);
      const key = keyFromSeed(4);
      const step = createTrainingStep('tiny VQ-VAE', vqVaeTrainingLoss(own, batch, { codebookUpdate: 'average', revivedAfter: 5 }), {
        learningRate: { kind: 'constant', value: 0.003 },
        clipNorm: 10,
      });
      const backend = await openOnnx();
      const weights = await initialiseCodebook(own, { weights: initialiseParameters(step.specs.values(), key), pixels, backend, key });
      const told: Readonly<Record<string, number>>[] = [];
      const state = await train({
        backend,
        step,
        state: initialTrainingState(step, weights),
        steps: 60,
        batch: (at) => ({ pixels, revival: float32Array([own.codebookSize], uniformArray(deriveKey(key, at), own.codebookSize)) }),
        onProgress: ({ metrics }) => void told.push(metrics),
      });
      expect(told.at(-1)?.reconstruction).toBeLessThan((told[0]?.reconstruction ?? 0) / 2);
      expect(told.at(-1)?.usedCodes).toBeGreaterThan(4);
      const tokenizer = createImageTokenizer({ configuration: own, weights: weightsFromArrays(state), backend });
      const [codes = new Int32Array()] = await tokenizer.encode([noisePicture(8, 8, 1)]);
      expect(await tokenizer.decode([codes], tokenizer.grid)).toHaveLength(1);
      tokenizer.dispose();
      await backend.dispose();
    },
    120_000,
  );
});
