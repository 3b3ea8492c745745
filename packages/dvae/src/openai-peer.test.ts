import { argMax, float32Array, type HostArray, int32Array, keyFromSeed, oneHot, transpose, uniformArray, weightsFromArrays } from '@tesserae/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Engine, engines } from '../../backend-onnx/src/__fixtures__/engines.js';
import { allEngines } from '../../backend-tfjs-gpu/src/__fixtures__/all-engines.js';
import { computeWith, largestDifference, lossGradients } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { caseNames, type RecordedCase, recordedCase } from './__fixtures__/openai-dvae/recorded-case.js';
import { parametersOf } from './__fixtures__/tiny-dvae.js';
import { decodeCodes, decodeRelaxed } from './decoder.js';
import { encode } from './encoder.js';
import { mapPixels, negativeLogLikelihood, pixelsFromMaps } from './likelihood.js';
import { dvaeTrainingLoss, klToUniform } from './loss.js';
import { createImageTokenizer, pictureFromPlanes } from './tokenizer.js';

function pixelsOf(recorded: RecordedCase): HostArray {
  const { shape, data } = recorded.read('image_u8');
  return float32Array(
    shape,
    Float32Array.from(data, (value) => value / 255),
  );
}

function codesOf(recorded: RecordedCase): HostArray {
  const { shape, data } = recorded.read('codes');
  return int32Array(shape, Int32Array.from(data));
}

const compute = (engine: Engine, recorded: RecordedCase, inputs: Record<string, HostArray>, body: Parameters<typeof computeWith>[3]) =>
  computeWith(engine, recorded.weights, inputs, body);

/** The paper's likelihood and KL in float64, from what the peer computed. */
function expectedLosses(recorded: RecordedCase): { readonly reconstruction: number; readonly kl: number } {
  const mapped = recorded.read('image_mapped');
  const maps = recorded.read('dec_stats').data;
  const logits = recorded.read('enc_logits');
  const [batch = 0, , height = 0, width = 0] = mapped.shape;
  const plane = height * width;
  let reconstruction = 0;
  for (let picture = 0; picture < batch; picture += 1) {
    for (let index = 0; index < 3 * plane; index += 1) {
      const x = mapped.data[picture * 3 * plane + index] ?? 0;
      const location = maps[picture * 6 * plane + index] ?? 0;
      const logScale = maps[picture * 6 * plane + 3 * plane + index] ?? 0;
      reconstruction -= Math.log((1 / (2 * Math.exp(logScale) * x * (1 - x))) * Math.exp(-Math.abs(Math.log(x / (1 - x)) - location) / Math.exp(logScale)));
    }
  }
  const [, codes = 0, rows = 0, columns = 0] = logits.shape;
  let kl = 0;
  for (let picture = 0; picture < batch; picture += 1) {
    for (let position = 0; position < rows * columns; position += 1) {
      const scores = Array.from({ length: codes }, (_, code) => logits.data[(picture * codes + code) * rows * columns + position] ?? 0);
      const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
      for (const score of scores) kl += (Math.exp(score) / total) * Math.log((Math.exp(score) / total) * codes);
    }
  }
  return { reconstruction: reconstruction / mapped.data.length, kl: kl / (batch * rows * columns) };
}

/** Loss and every gradient of the training objective. Only for square pictures, which training wants. */
function trainingGradients(engine: Engine, recorded: RecordedCase): ReturnType<typeof lossGradients> {
  const pixels = pixelsOf(recorded);
  const [batch = 0, , height = 0, width = 0] = pixels.shape;
  const { codebookSize } = recorded.configuration;
  const noiseShape = [batch, codebookSize, height / 8, width / 8];
  const noise = float32Array(
    noiseShape,
    uniformArray(
      keyFromSeed(3),
      noiseShape.reduce((product, size) => product * size, 1),
    ),
  );
  const objective = dvaeTrainingLoss(recorded.configuration, batch, { temperature: { kind: 'constant', value: 0.7 }, klWeight: { kind: 'constant', value: 6.6 } });
  return lossGradients(engine, recorded.weights, { pixels, noise }, (scope, root) => objective({ scope, parameters: root, step: scope.literal(int32Array([], [0])) }).loss);
}

describe.each(caseNames)('openai/DALL-E, %s', (name) => {
  let recorded: RecordedCase;
  beforeAll(async () => {
    recorded = await recordedCase(name);
  });

  it('has exactly our parameters', () => {
    const wanted = (['encoder', 'decoder'] as const).flatMap((half) => parametersOf(recorded.configuration, half));
    expect(Object.fromEntries(Array.from(recorded.weights, ([path, { shape }]) => [path, shape]))).toEqual(
      Object.fromEntries(wanted.map(({ name: path, shape }) => [path, shape])),
    );
  });

  describe.each(name === 'nhid16-blk1-v512' ? allEngines : engines)('on $name', (engine) => {
    it('gives the same logits and codes', async () => {
      const pixels = pixelsOf(recorded);
      const { mapped, logits, codes } = await compute(engine, recorded, { pixels }, (scope, root) => {
        const x = mapPixels(scope.input('pixels', pixels.shape));
        const scores = encode(root.child('encoder'), x, recorded.configuration);
        scope.output('mapped', x);
        scope.output('logits', scores);
        scope.output('codes', argMax(scores, 1));
      });
      expect(largestDifference(mapped?.data, recorded.read('image_mapped').data)).toBeLessThan(1e-6);
      expect(logits?.shape).toEqual(recorded.read('enc_logits').shape);
      expect(largestDifference(logits?.data, recorded.read('enc_logits').data)).toBeLessThanOrEqual(recorded.tolerance.enc_logits);
      expect(Array.from(codes?.data ?? [])).toEqual(Array.from(recorded.read('codes').data));
    });

    it('gives the same maps and pictures, by look-up and by convolution of a one-hot grid', async () => {
      const codes = codesOf(recorded);
      const results = await compute(engine, recorded, { codes }, (scope, root) => {
        const input = scope.input('codes', codes.shape, 'int32');
        const maps = decodeCodes(root.child('decoder'), input, recorded.configuration);
        scope.output('maps', maps);
        scope.output('pixels', pixelsFromMaps(maps));
        const hard = transpose(oneHot(input, recorded.configuration.codebookSize), [0, 3, 1, 2]);
        scope.output('convolved', decodeRelaxed(root.child('decoder'), hard, recorded.configuration));
      });
      expect(results.maps?.shape).toEqual(recorded.read('dec_stats').shape);
      expect(largestDifference(results.maps?.data, recorded.read('dec_stats').data)).toBeLessThanOrEqual(recorded.tolerance.dec_stats);
      expect(largestDifference(results.convolved?.data, recorded.read('dec_stats').data)).toBeLessThanOrEqual(recorded.tolerance.dec_stats);
      expect(largestDifference(results.pixels?.data, recorded.read('recon').data)).toBeLessThanOrEqual(recorded.tolerance.recon);
    });

    it('gives the likelihood and the KL that follow from the recorded maps and logits', async () => {
      const pixels = pixelsOf(recorded);
      const codes = codesOf(recorded);
      const { reconstruction, kl } = await compute(engine, recorded, { pixels, codes }, (scope, root) => {
        const mapped = mapPixels(scope.input('pixels', pixels.shape));
        const maps = decodeCodes(root.child('decoder'), scope.input('codes', codes.shape, 'int32'), recorded.configuration);
        scope.output('reconstruction', negativeLogLikelihood(mapped, maps));
        scope.output('kl', klToUniform(encode(root.child('encoder'), mapped, recorded.configuration)));
      });
      const expected = expectedLosses(recorded);
      expect(reconstruction?.data[0]).toBeCloseTo(expected.reconstruction, 5);
      // ln K minus an entropy of nearly its size: what is left has the rounding of numbers around 6.
      expect(kl?.data[0]).toBeCloseTo(expected.kl, 5);
    });

    it('does all of it as a tokenizer, bytes to codes to bytes', async () => {
      const backend = await engine.open();
      const tokenizer = createImageTokenizer({ configuration: recorded.configuration, weights: weightsFromArrays(recorded.weights), backend });
      const image = recorded.read('image_u8');
      const [batch = 0, , height = 0, width = 0] = image.shape;
      const planes = Float32Array.from(image.data, (value) => value / 255);
      const pictures = Array.from({ length: batch }, (_, index) => pictureFromPlanes(planes, index * 3 * height * width, width, height));
      const codes = await tokenizer.encode(pictures);
      expect(codes.flatMap((list) => [...list])).toEqual(Array.from(recorded.read('codes').data));
      const decoded = await tokenizer.decode(codes, { rows: height / 8, columns: width / 8 });
      const recon = recorded.read('recon').data;
      const expected = recorded.read('recon_u8').data;
      decoded.forEach(({ data }, picture) => {
        data.forEach((value, index) => {
          const at = (picture * 3 + (index % 3)) * height * width + Math.floor(index / 3);
          const exact = 255 * (recon[at] ?? 0);
          // Half a byte step may go either way within the tolerance.
          const onEdge = Math.abs(exact - Math.floor(exact) - 0.5) <= 255 * recorded.tolerance.recon;
          if (!onEdge) expect(value).toBe(expected[at]);
        });
      });
      tokenizer.dispose();
      await backend.dispose();
    });
  });
});

describe('the gradients of the training objective', () => {
  it('are the same on every engine, for every weight', async () => {
    const recorded = await recordedCase('nhid16-blk1-v512');
    const [first, ...others] = await Promise.all(engines.map((engine) => trainingGradients(engine, recorded)));
    expect(first?.gradients.size).toBe(recorded.weights.size);
    for (const results of others) {
      expect(results.loss).toBeCloseTo(first?.loss ?? Number.NaN, 5);
      for (const [name, value] of first?.gradients ?? []) {
        const size = Array.from(value.data).reduce((largest, element) => Math.max(largest, Math.abs(element)), 0);
        expect(size, name).toBeGreaterThan(0);
        expect(largestDifference(results.gradients.get(name)?.data, value.data) / size, name).toBeLessThan(1e-4);
      }
    }
  });
});
