import { add, argMax, float32Array, type HostArray, int32Array, keyFromSeed, transpose, uniformArray, weightsFromArrays } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../../backend-onnx/src/__fixtures__/engines.js';
import { allEngines } from '../../../backend-tfjs-gpu/src/__fixtures__/all-engines.js';
import type { NumpyArray } from '../../../core/src/__fixtures__/peers/npy.js';
import { computeWith, largestDifference, lossGradients } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { autoencoderCases, type RecordedVqgan, recordedDetokenizer, recordedVqgan } from '../__fixtures__/vqgan/recorded-case.js';
import { codeScores, latentsOf, latentVectors, nearestCodes, vectorsOf } from '../quantizer.js';
import { quantizeStraightThrough } from '../straight-through.js';
import { createImageTokenizer, pictureFromPlanes } from '../tokenizer.js';
import { decodeLatents } from './decoder.js';
import { encodeLatents, vqganPixels } from './encoder.js';
import { vqganTrainingLoss } from './loss.js';

const reference = { open: async () => createReferenceBackend() };
const floats = ({ shape, data }: NumpyArray): HostArray => float32Array(shape, Float32Array.from(data));
/** Recorded bytes as numbers in [0, 1]. */
const zeroToOne = ({ shape, data }: NumpyArray): HostArray =>
  float32Array(
    shape,
    Float32Array.from(data, (value) => value / 255),
  );
/** Recorded flat codes on their grid. */
function codesOf({ configuration, read }: RecordedVqgan): HostArray {
  const { shape, data } = read('codes');
  const side = configuration.imageSize / 2 ** (configuration.multipliers.length - 1);
  return int32Array([shape[0] ?? 0, side, side], Int32Array.from(data));
}

describe.each(autoencoderCases)('%s', (name) => {
  let recorded: RecordedVqgan;
  beforeAll(async () => {
    recorded = await recordedVqgan(name);
  });

  describe.each(name === 'taming-vqgan-gumbel' ? engines : allEngines)('on $name', (engine) => {
    it('gives the same latents and codes', async () => {
      const { configuration, weights, tolerance } = recorded;
      const pixels = zeroToOne(recorded.read('image_u8'));
      const { vectors, scores, codes } = await computeWith(engine, weights, { pixels }, (scope, root) => {
        const place = root.child('quantizer');
        const latents = encodeLatents(root.child('encoder'), vqganPixels(scope.input('pixels', pixels.shape), configuration), configuration);
        const found = latentVectors(place, latents, configuration);
        scope.output('vectors', transpose(found, [0, 3, 1, 2]));
        scope.output('scores', transpose(codeScores(place, found, configuration), [0, 3, 1, 2]));
        scope.output('codes', nearestCodes(place, found, configuration));
      });
      // LlamaGen's recording is from before its vectors are made as long as 1.
      if (configuration.quantizer !== 'nearest-normalised') expect(largestDifference(vectors?.data, recorded.read('quant_in').data)).toBeLessThanOrEqual(tolerance.quant_in ?? 0);
      if (configuration.quantizer === 'gumbel') expect(largestDifference(scores?.data, recorded.read('logits').data)).toBeLessThanOrEqual(tolerance.logits ?? 0);
      expect(Array.from(codes?.data ?? [])).toEqual(Array.from(recorded.read('codes').data));
    });

    it('gives the same pictures for the same codes', async () => {
      const { configuration, weights, tolerance } = recorded;
      const codes = codesOf(recorded);
      const { decoded } = await computeWith(engine, weights, { codes }, (scope, root) => {
        const place = root.child('quantizer');
        const vectors = vectorsOf(place, scope.input('codes', codes.shape, 'int32'), configuration);
        scope.output('decoded', decodeLatents(root.child('decoder'), latentsOf(place, vectors, configuration), configuration));
      });
      expect(decoded?.shape).toEqual(recorded.read('decoded').shape);
      expect(largestDifference(decoded?.data, recorded.read('decoded').data)).toBeLessThanOrEqual(tolerance.decoded ?? 0);
    });

    it('does both as a tokenizer, bytes to codes to bytes', async () => {
      const { configuration, weights, tolerance } = recorded;
      const backend = await engine.open();
      const tokenizer = createImageTokenizer({ configuration, weights: weightsFromArrays(weights), backend });
      const { shape, data } = zeroToOne(recorded.read('image_u8'));
      const [batch = 0, , height = 0, width = 0] = shape;
      const pictures = Array.from({ length: batch }, (_, index) => pictureFromPlanes(data as Float32Array, index * 3 * height * width, width, height));
      const codes = await tokenizer.encode(pictures);
      expect(codes.flatMap((list) => [...list])).toEqual(Array.from(recorded.read('codes').data));
      const decoded = await tokenizer.decode(codes, tokenizer.grid);
      const expected = recorded.read('decoded').data;
      decoded.forEach((picture, index) => {
        const planes = Float32Array.from(expected.slice(index * 3 * height * width, (index + 1) * 3 * height * width), (value) => Math.min(1, Math.max(0, value * 0.5 + 0.5)));
        const wanted = pictureFromPlanes(planes, 0, width, height).data;
        // Half a byte step may go either way within the tolerance.
        picture.data.forEach((value, at) => expect(Math.abs(value - (wanted[at] ?? 0))).toBeLessThanOrEqual(Math.ceil(255 * (tolerance.decoded ?? 0))));
      });
      tokenizer.dispose();
      await backend.dispose();
    });
  });
});

describe('taming-transformers', () => {
  it("weighs its quantizer's two terms the other way round", async () => {
    const recorded = await recordedVqgan('taming-vqgan-vq');
    const vectors = floats(recorded.read('quant_in'));
    const nearest = floats(recorded.read('quant'));
    const { loss } = await computeWith(reference, recorded.weights, { vectors, nearest }, (scope) => {
      const [a, b] = [scope.input('vectors', vectors.shape), scope.input('nearest', nearest.shape)];
      scope.output('loss', quantizeStraightThrough(a, b, { codebookWeight: 0.25, commitmentWeight: 1 }).loss);
    });
    expect(loss?.data[0]).toBeCloseTo(recorded.read('quant_loss').data[0] ?? Number.NaN, 6);
  });

  it("draws GumbelVQ's codes with the recorded noise", async () => {
    const recorded = await recordedVqgan('taming-vqgan-gumbel');
    const logits = floats(recorded.read('logits'));
    const noise = floats(recorded.read('gumbel_noise'));
    const { codes } = await computeWith(reference, recorded.weights, { logits, noise }, (scope) => {
      scope.output('codes', argMax(add(scope.input('logits', logits.shape), scope.input('noise', noise.shape)), 1));
    });
    expect(Array.from(codes?.data ?? [])).toEqual(Array.from(recorded.read('codes_with_noise').data));
  });
});

describe.each(allEngines)("min-dalle's detokenizer on $name", (engine) => {
  it('decodes four grids apart, and joined to one', async () => {
    const recorded = await recordedDetokenizer();
    const { configuration, weights, tolerance } = recorded;
    const tokens = recorded.read('tokens');
    const side = Math.sqrt(tokens.shape[1] ?? 0);
    const decode = async (codes: HostArray): Promise<Float32Array> => {
      const { pixels } = await computeWith(engine, weights, { codes }, (scope, root) => {
        const place = root.child('quantizer');
        const vectors = vectorsOf(place, scope.input('codes', codes.shape, 'int32'), configuration);
        scope.output('pixels', decodeLatents(root.child('decoder'), latentsOf(place, vectors, configuration), configuration));
      });
      return pixels?.data as Float32Array;
    };
    /** Where picture `index` of the grid lies: the peer fills columns first. */
    const place = (index: number): readonly [row: number, column: number] => [index % 2, Math.floor(index / 2)];
    const size = configuration.imageSize;
    const expected = recorded.read('image').data;
    const apart = await decode(int32Array([4, side, side], Int32Array.from(tokens.data)));
    const joined = new Int32Array(4 * side * side);
    let largest = 0;
    for (let index = 0; index < 4; index += 1) {
      const [row, column] = place(index);
      for (let position = 0; position < side * side; position += 1) {
        const target = (row * side + Math.floor(position / side)) * 2 * side + column * side + (position % side);
        joined[target] = tokens.data[index * side * side + position] ?? 0;
      }
      for (let y = 0; y < size; y += 1)
        for (let x = 0; x < size; x += 1)
          for (let channel = 0; channel < 3; channel += 1) {
            const value = 255 * Math.min(1, Math.max(0, apart[((index * 3 + channel) * size + y) * size + x] ?? Number.NaN));
            largest = Math.max(largest, Math.abs(value - (expected[((row * size + y) * 2 * size + column * size + x) * 3 + channel] ?? 0)));
          }
    }
    expect(largest).toBeLessThanOrEqual(tolerance.image ?? 0);

    const seamless = await decode(int32Array([1, 2 * side, 2 * side], joined));
    const plane = 4 * size * size;
    const interleaved = Float32Array.from({ length: 3 * plane }, (_, index) => 255 * Math.min(1, Math.max(0, seamless[(index % 3) * plane + Math.floor(index / 3)] ?? Number.NaN)));
    expect(largestDifference(interleaved, recorded.read('image_seamless').data)).toBeLessThanOrEqual(tolerance.image ?? 0);
  });
});

describe.each(['taming-vqgan-vq', 'taming-vqgan-gumbel', 'llamagen-vq'] as const)('training %s', (name) => {
  it('has the same gradient of every weight on every engine', async () => {
    const recorded = await recordedVqgan(name);
    const pixels = zeroToOne(recorded.read('image_u8'));
    const [batch = 0] = pixels.shape;
    const shape = [batch, recorded.configuration.codebookSize, 8, 8];
    const noise = float32Array(
      shape,
      uniformArray(
        keyFromSeed(3),
        shape.reduce((product, size) => product * size, 1),
      ),
    );
    const inputs: Record<string, HostArray> = recorded.configuration.quantizer === 'gumbel' ? { pixels, noise } : { pixels };
    const objective = vqganTrainingLoss(recorded.configuration, batch, { reconstruction: 'squared', temperature: { kind: 'constant', value: 0.9 } });
    const [first, ...others] = await Promise.all(
      engines.map((engine) =>
        lossGradients(engine, recorded.weights, inputs, (scope, root) => objective({ scope, parameters: root, step: scope.literal(int32Array([], [0])) }).loss),
      ),
    );
    expect(first?.gradients.size).toBe(recorded.weights.size);
    const sizeOf = ({ data }: HostArray): number => Array.from(data).reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    // A bias before a norm with one channel a group has the gradient zero: rounding is all there is of it.
    const rounding = 1e-6 * Math.max(...Array.from(first?.gradients.values() ?? [], sizeOf));
    for (const other of others) {
      expect(other.loss).toBeCloseTo(first?.loss ?? Number.NaN, 5);
      for (const [path, gradient] of first?.gradients ?? []) {
        expect(largestDifference(other.gradients.get(path)?.data, gradient.data), path).toBeLessThanOrEqual(1e-4 * sizeOf(gradient) + rounding);
      }
    }
  });
});

describe('codes', () => {
  it('are those at the smallest distance, whatever the lengths of the vectors', async () => {
    const recorded = await recordedVqgan('taming-vqgan-vq');
    const { configuration, weights } = recorded;
    const vectors = float32Array(
      [1, 4, 4, configuration.codeWidth],
      Float32Array.from(uniformArray(keyFromSeed(1), 16 * configuration.codeWidth), (value) => 3 * value - 1.5),
    );
    const { codes } = await computeWith(reference, weights, { vectors }, (scope, root) => {
      const place = root.child('quantizer');
      scope.output('codes', nearestCodes(place, scope.input('vectors', vectors.shape), configuration));
    });
    const codebook = weights.get('quantizer.codebook.weight')?.data ?? [];
    const width = configuration.codeWidth;
    for (let position = 0; position < 16; position += 1) {
      const distances = Array.from({ length: configuration.codebookSize }, (_, code) => {
        let sum = 0;
        for (let axis = 0; axis < width; axis += 1) sum += ((vectors.data[position * width + axis] ?? 0) - (codebook[code * width + axis] ?? 0)) ** 2;
        return sum;
      });
      expect(codes?.data[position]).toBe(distances.indexOf(Math.min(...distances)));
    }
  });
});
