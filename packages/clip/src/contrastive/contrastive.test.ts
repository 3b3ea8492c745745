import {
  createTrainingStep,
  float32Array,
  type HostArray,
  initialiseParameters,
  int32Array,
  isTesseraeError,
  keyFromSeed,
  type Picture,
  type TextTokenizer,
  weightsFromArrays,
} from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { engines, openOnnx } from '../../../backend-onnx/src/__fixtures__/engines.js';
import { largestDifference, lossGradients } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { recordedCase } from '../__fixtures__/openai-clip/recorded-case.js';
import { clipParameters } from './clip.js';
import { type ClipConfiguration, parseClipConfiguration } from './configuration.js';
import { contrastiveLoss } from './loss.js';
import { clipTextIds, createClipScorer } from './scorer.js';

const recorded = recordedCase('vit-fp32');
const { configuration } = recorded;
const texts = recorded.read('text');
const pictures = recorded.read('image_u8');
const length = configuration.text.length;
const bytesOfPicture = pictures.data.length / 3;

/** −log softmax of the diagonal, the mean over rows. */
function diagonalSurprise(rows: readonly (readonly number[])[]): number {
  return rows.reduce((sum, row, index) => sum + Math.log(row.reduce((total, value) => total + Math.exp(value), 0)) - (row[index] ?? 0), 0) / rows.length;
}

describe('the contrastive loss', () => {
  it.each(engines)("of three recorded pairs is what the peer's own logits give, on '$name'", async (engine) => {
    const logits = recorded.read('logits_per_image_f32weights');
    const [, columns = 0] = logits.shape;
    const rows = [0, 1, 2].map((picture) => [0, 1, 2].map((text) => logits.data[picture * columns + text] ?? 0));
    const turned = [0, 1, 2].map((text) => rows.map((row) => row[text] ?? 0));
    const inputs: Record<string, HostArray> = {
      ids: int32Array([3, length], Int32Array.from(texts.data.subarray(0, 3 * length))),
      pixels: float32Array(
        pictures.shape,
        Float32Array.from(pictures.data, (value) => value / 255),
      ),
    };
    const weights = await recorded.weights({ rounded: false });
    const { loss, gradients } = await lossGradients(
      engine,
      weights,
      inputs,
      (scope, root) => contrastiveLoss(configuration, { batch: 3 })({ scope, parameters: root, step: scope.iota([]) }).loss,
    );
    expect(loss).toBeCloseTo((diagonalSurprise(rows) + diagonalSurprise(turned)) / 2, 4);
    // Along the scale of the logits: Σ over all of (softmax − own)·logit, both ways.
    const slope = (table: readonly (readonly number[])[]): number =>
      table.reduce((sum, row, own) => {
        const total = row.reduce((all, value) => all + Math.exp(value), 0);
        return sum + row.reduce((all, value, index) => all + (Math.exp(value) / total - (index === own ? 1 : 0)) * value, 0);
      }, 0) / table.length;
    expect(largestDifference(gradients.get('logitScale')?.data, [(slope(rows) + slope(turned)) / 2])).toBeLessThan(1e-4);
    expect([...gradients.keys()].sort()).toEqual([...weights.keys()].sort());
  });

  it('trains every weight of both towers', () => {
    const step = createTrainingStep('clip', contrastiveLoss(configuration, { batch: 3 }), { learningRate: { kind: 'constant', value: 1e-3 } });
    expect([...step.specs.keys()].sort()).toEqual([...clipParameters(configuration).keys()].sort());
  });
});

describe('the scorer', () => {
  /** The ids of a recorded text between its start and its end. */
  const idsOf = (row: number): Int32Array => {
    const ids = Int32Array.from(texts.data.subarray(row * length, (row + 1) * length));
    return ids.subarray(1, ids.indexOf(Math.max(...ids)));
  };
  const rows: TextTokenizer = { specificationVersion: 'v1', vocabularySize: 298, encode: (text) => idsOf(Number(text)), decode: () => '' };
  const images = [0, 1, 2].map((index) => {
    const [, , height = 0, width = 0] = pictures.shape;
    const planes = pictures.data.subarray(index * bytesOfPicture, (index + 1) * bytesOfPicture);
    const data = Uint8Array.from({ length: bytesOfPicture }, (_, at) => planes[(at % 3) * width * height + Math.floor(at / 3)] ?? 0);
    const picture: Picture = { width, height, data };
    return { picture, codes: new Int32Array(), grid: { rows: 1, columns: 1 } };
  });

  it("gives the peer's logits of pictures in bytes, whatever the batch", async () => {
    const logits = recorded.read('logits_per_image_f32weights');
    const [, columns = 0] = logits.shape;
    const backend = await openOnnx();
    const weights = weightsFromArrays(await recorded.weights({ rounded: false }));
    for (const maximumBatch of [1, 2, 16]) {
      const scorer = createClipScorer({ config: configuration, weights, textTokenizer: rows, backend, maximumBatch });
      for (let text = 0; text < columns; text += 1) {
        expect([...clipTextIds(configuration, idsOf(text))]).toEqual([...texts.data.subarray(text * length, (text + 1) * length)]);
        const scores = await scorer.score(`${text}`, images);
        expect(
          largestDifference(
            scores,
            [0, 1, 2].map((picture) => logits.data[picture * columns + text] ?? 0),
          ),
        ).toBeLessThan(3e-5);
      }
      scorer.dispose();
    }
    await backend.dispose();
  });

  it('cuts long texts so that the end remains', () => {
    const ids = clipTextIds(configuration, Array<number>(50).fill(7));
    expect([ids[0], ids[1], ids[length - 2], ids[length - 1]]).toEqual([298, 7, 7, 299]);
    expect([...clipTextIds(configuration, [])]).toEqual([298, 299, ...Array<number>(length - 2).fill(0)]);
  });

  it('refuses what does not fit, by name', async () => {
    const backend = await openOnnx();
    const weights = weightsFromArrays(initialiseParameters(clipParameters(configuration).values(), keyFromSeed(0)));
    const messageOf = (build: () => unknown): string => {
      try {
        build();
      } catch (error) {
        return isTesseraeError(error) ? `${error.code}: ${error.message}` : String(error);
      }
      return 'nothing was refused';
    };
    expect(messageOf(() => createClipScorer({ config: configuration, weights, textTokenizer: { ...rows, vocabularySize: 301 }, backend }))).toMatch(
      /^model-incompatible: This CLIP knows 300 text ids/,
    );
    expect(messageOf(() => createClipScorer({ config: { ...configuration, embedding: 31 }, weights, textTokenizer: rows, backend }))).toMatch(
      /^model-incompatible: The CLIP's weight '.*projection\.weight' should be \[31, 64\] but is \[32, 64\]/,
    );
    await backend.dispose();
    const changed = (changes: object): string => messageOf(() => parseClipConfiguration({ ...configuration, ...changes }));
    expect(changed({ kind: 'captioner' })).toMatch(/'kind' = "captioner"/);
    expect(changed({ image: { ...configuration.image, patch: 7 } })).toMatch(/'image\.patch' = 7/);
    expect(changed({ image: { kind: 'resnet', width: 8, blocks: [1, 2, 3], heads: 4 } })).toMatch(/'image\.blocks' = \[1,2,3\]/);
    expect(changed({ text: { ...configuration.text, heads: 3 } })).toMatch(/'text\.heads' = 3/);
    expect(changed({ pixelMean: [1, 2] })).toMatch(/'pixelMean' = \[1,2\]/);
    const whole: ClipConfiguration = { ...configuration, pixelMean: [0, 0, 0], pixelDeviation: [1, 1, 1] };
    expect(parseClipConfiguration(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
  });
});
