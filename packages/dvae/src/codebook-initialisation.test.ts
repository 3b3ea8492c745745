import { createParameterTree, createTrainingStep, float32Array, type HostArray, initialiseParameters, keyFromSeed, trace, weightsFromArrays } from '@tesserae/core';
import { createReferenceBackend, evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { firstWeights, parametersOf, rectangles, tinyDvae } from './__fixtures__/tiny-dvae.js';
import { initialiseDvae } from './codebook-initialisation.js';
import { codebookUsage } from './codebook-usage.js';
import { mapPixels } from './likelihood.js';
import { createImageTokenizer, pictureFromPlanes } from './tokenizer.js';
import { dvaeWarmUpLoss, embedContinuously } from './warm-up.js';

const batch = 24;
const pixels = rectangles(batch, 8, 3);
const specs = [...parametersOf(tinyDvae, 'encoder'), ...parametersOf(tinyDvae, 'decoder')];
const planes = Float32Array.from(pixels.data);
const pictures = Array.from({ length: batch }, (_, index) => pictureFromPlanes(planes, index * 3 * 64, 8, 8));

/** An autoencoder's parameters; trained or not is the same to the initialisation. */
function warmWeights(): Map<string, HostArray> {
  const { specs: warmSpecs } = createTrainingStep('warm up', dvaeWarmUpLoss(tinyDvae, 1), { learningRate: { kind: 'constant', value: 0 } });
  return initialiseParameters(warmSpecs.values(), keyFromSeed(6));
}

async function codesOf(weights: ReadonlyMap<string, HostArray>): Promise<number[]> {
  const tokenizer = createImageTokenizer({ configuration: tinyDvae, weights: weightsFromArrays(weights), backend: createReferenceBackend() });
  return (await tokenizer.encode(pictures)).flatMap((codes) => [...codes]);
}

const initialised = (): Promise<Map<string, HostArray>> => initialiseDvae(tinyDvae, { specs, warm: warmWeights(), pixels, backend: createReferenceBackend(), key: keyFromSeed(1) });

describe('initialiseDvae', () => {
  it('gives every parameter of the discrete model, the learned ones as they were', async () => {
    const warm = warmWeights();
    const initial = await initialised();
    expect([...initial.keys()].sort()).toEqual(specs.map(({ name }) => name).sort());
    for (const { name, shape } of specs) {
      expect(initial.get(name)?.shape, name).toEqual(shape);
      if (warm.has(name)) expect(initial.get(name), name).toEqual(warm.get(name));
    }
  });

  it('chooses at every position the code whose vector the decoder holds nearest to the bottleneck', async () => {
    const initial = await initialised();
    const graph = trace('bottleneck', (scope) => {
      scope.output('embedded', embedContinuously(createParameterTree(scope, 'constant').root, mapPixels(scope.input('pixels', pixels.shape)), tinyDvae));
    });
    const { embedded } = evaluateGraph(graph, { inputs: { pixels }, constants: warmWeights() }).outputs;
    const codebook = initial.get('decoder.input.weight');
    const { codebookSize, decoderInput } = tinyDvae;
    const distance = (at: number, code: number): number => {
      let sum = 0;
      for (let channel = 0; channel < decoderInput; channel += 1) {
        sum += ((embedded?.data[(Math.floor(at / 16) * decoderInput + channel) * 16 + (at % 16)] ?? 0) - (codebook?.data[channel * codebookSize + code] ?? 0)) ** 2;
      }
      return sum;
    };
    (await codesOf(initial)).forEach((code, at) => {
      const shortest = Math.min(...Array.from({ length: codebookSize }, (_, other) => distance(at, other)));
      // Vectors of positions with the same surroundings are the same, and so may centres be: equal up to rounding is enough.
      expect(distance(at, code)).toBeLessThanOrEqual(shortest + 1e-4);
    });
  });

  it('uses more of the codebook than random first weights', async () => {
    const used = async (weights: ReadonlyMap<string, HostArray>): Promise<number> => {
      const counts = new Float64Array(tinyDvae.codebookSize);
      for (const code of await codesOf(weights)) counts[code] = (counts[code] ?? 0) + 1;
      return codebookUsage(counts).used;
    };
    const own = await used(await initialised());
    expect(own).toBeGreaterThanOrEqual(14);
    expect(own).toBeGreaterThan(await used(firstWeights(tinyDvae)));
  });

  it('refuses weights that were not warmed up', async () => {
    const picture = float32Array([1, 3, 8, 8], new Float32Array(192));
    await expect(initialiseDvae(tinyDvae, { specs, warm: firstWeights(tinyDvae), pixels: picture, backend: createReferenceBackend(), key: keyFromSeed(1) })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });
});
