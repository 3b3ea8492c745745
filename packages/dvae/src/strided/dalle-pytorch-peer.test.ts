import { argMax, float32Array, type HostArray, int32Array } from '@tesserae/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../../backend-onnx/src/__fixtures__/engines.js';
import { allEngines } from '../../../backend-tfjs-gpu/src/__fixtures__/all-engines.js';
import { computeWith, largestDifference, lossGradients } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { caseNames, type RecordedStridedDvae, recordedStridedDvae } from '../__fixtures__/dalle-pytorch/recorded-case.js';
import { decodeStrided, embedCodes, encodeStrided, stridedCodebook } from './autoencoder.js';
import { normalisePixels, stridedLoss } from './loss.js';

function floats(recorded: RecordedStridedDvae, name: string): HostArray {
  const { shape, data } = recorded.read(name);
  return float32Array(shape, Float32Array.from(data));
}

function codesOf(recorded: RecordedStridedDvae): HostArray {
  const { shape, data } = recorded.read('codes');
  const side = recorded.configuration.imageSize / 2 ** recorded.configuration.layers;
  return int32Array([shape[0] ?? 0, side, side], Int32Array.from(data));
}

describe.each(caseNames)("DALLE-pytorch's DiscreteVAE, %s", (name) => {
  let recorded: RecordedStridedDvae;
  beforeAll(async () => {
    recorded = await recordedStridedDvae(name);
  });

  describe.each(name === 'vae-l2-res2-kl' ? allEngines : engines)('on $name', (engine) => {
    it('gives the same logits and codes', async () => {
      const { configuration, weights, tolerance } = recorded;
      const pixels = floats(recorded, 'image');
      const { logits, codes } = await computeWith(engine, weights, { pixels }, (scope, root) => {
        const scores = encodeStrided(root.child('encoder'), normalisePixels(scope.input('pixels', pixels.shape), root), configuration);
        scope.output('logits', scores);
        scope.output('codes', argMax(scores, 1));
      });
      expect(largestDifference(logits?.data, recorded.read('logits').data)).toBeLessThanOrEqual(tolerance.logits);
      expect(Array.from(codes?.data ?? [])).toEqual(Array.from(recorded.read('codes').data));
    });

    it('decodes the same codes to the same picture, in the normalised range', async () => {
      const { configuration, weights, tolerance } = recorded;
      const codes = codesOf(recorded);
      const { decoded } = await computeWith(engine, weights, { codes }, (scope, root) => {
        const vectors = embedCodes(stridedCodebook(root.child('codebook'), configuration), scope.input('codes', codes.shape, 'int32'));
        scope.output('decoded', decodeStrided(root.child('decoder'), vectors, configuration));
      });
      expect(decoded?.shape).toEqual(recorded.read('decoded').shape);
      expect(largestDifference(decoded?.data, recorded.read('decoded').data)).toBeLessThanOrEqual(tolerance.decoded);
    });

    it('gives the same relaxed codes, reconstruction, loss and gradient of every weight with the recorded noise', async () => {
      const { configuration, objective, weights, temperature, tolerance } = recorded;
      const inputs = { pixels: floats(recorded, 'image'), gumbel: floats(recorded, 'gumbel_noise') };
      const results = await lossGradients(engine, weights, inputs, (scope, root) => {
        const given = {
          pixels: scope.input('pixels', inputs.pixels.shape),
          gumbel: scope.input('gumbel', inputs.gumbel.shape),
          temperature: scope.literal(float32Array([], [temperature])),
        };
        const { loss, relaxed, decoded } = stridedLoss(root, configuration, given, objective);
        scope.output('relaxed', relaxed);
        scope.output('decoded', decoded);
        return loss;
      });
      expect(Math.abs(results.loss - (recorded.read('loss').data[0] ?? Number.NaN))).toBeLessThanOrEqual(tolerance.loss);
      expect(largestDifference(results.outputs.relaxed?.data, recorded.read('one_hot').data)).toBeLessThanOrEqual(tolerance.logits);
      expect(largestDifference(results.outputs.decoded?.data, recorded.read('recons').data)).toBeLessThanOrEqual(tolerance.recons);
      expect(results.gradients.size).toBe(weights.size);
      for (const [path, gradient] of results.gradients) {
        expect(largestDifference(gradient.data, recorded.read(`grads/${path}`).data), path).toBeLessThanOrEqual(tolerance.grads);
      }
    });
  });
});
