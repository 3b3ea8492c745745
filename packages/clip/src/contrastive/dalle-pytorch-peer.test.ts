import { readdirSync, readFileSync } from 'node:fs';
import { float32Array, type HostArray, int32Array, type TextTokenizer, weightsFromArrays, weightsFromSafetensors } from '@tesserae/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { engines, openOnnx } from '../../../backend-onnx/src/__fixtures__/engines.js';
import { readNumpy } from '../../../core/src/__fixtures__/peers/npy.js';
import { computeWith, largestDifference, lossGradients } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { clipLogits, clipParameters, encodePictures, encodeTexts } from './clip.js';
import { parseClipConfiguration } from './configuration.js';
import { contrastiveLoss } from './loss.js';
import { createClipScorer } from './scorer.js';

const folder = new URL('../__fixtures__/dalle-pytorch-clip/', import.meta.url);
const json = (file: string): unknown => JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
const read = (recording: string) => readNumpy(new URL(`${recording}.npy`, folder));

const configuration = parseClipConfiguration(json('configuration.json'));
const { tolerance_advice_max_abs: tolerance } = json('meta.json') as { readonly tolerance_advice_max_abs: Readonly<Record<'scores' | 'loss' | 'grads', number>> };
const [texts, mask, pictures] = [read('text'), read('text_mask'), read('image_u8')];
const [batch = 0, , height = 0, width = 0] = pictures.shape;
const inputs: Record<string, HostArray> = {
  ids: int32Array(texts.shape, Int32Array.from(texts.data)),
  mask: float32Array(mask.shape, Float32Array.from(mask.data)),
  pixels: float32Array(
    pictures.shape,
    Float32Array.from(pictures.data, (value) => value / 255),
  ),
};

describe("DALLE-pytorch's CLIP", () => {
  let weights = new Map<string, HostArray>();
  beforeAll(async () => {
    const source = weightsFromSafetensors(Uint8Array.from(readFileSync(new URL('weights.safetensors', folder))));
    weights = new Map(await Promise.all(Array.from(source.types.keys(), async (path) => [path, await source.read(path)] as const)));
  });

  it('has the weights that the configuration asks for, no more and no less', () => {
    const shapes = (entries: Iterable<readonly [string, { readonly shape: readonly number[] }]>) => Object.fromEntries(Array.from(entries, ([path, { shape }]) => [path, shape]));
    expect(shapes(weights)).toEqual(shapes(clipParameters(configuration)));
  });

  it.each(engines)("scores pairs as it does, with a mask and without, on '$name'", async (engine) => {
    const results = await computeWith(engine, weights, inputs, (scope, root) => {
      const seen = encodePictures(root, configuration, scope.input('pixels', pictures.shape));
      const ids = scope.input('ids', texts.shape, 'int32');
      scope.output('scores', clipLogits(root, seen, encodeTexts(root, configuration, ids)));
      scope.output('scores_masked', clipLogits(root, seen, encodeTexts(root, configuration, ids, scope.input('mask', mask.shape))));
    });
    for (const name of ['scores', 'scores_masked'] as const) {
      // It scores each picture with its own text: the diagonal.
      const pairs = Array.from({ length: batch }, (_, row) => Number(results[name]?.data[row * batch + row]));
      expect(largestDifference(pairs, read(name).data), name).toBeLessThanOrEqual(tolerance.scores);
    }
  });

  it.each(engines)("has its loss and the gradient of every weight, on '$name'", async (engine) => {
    const loss = contrastiveLoss(configuration, { batch, masked: true });
    const found = await lossGradients(engine, weights, inputs, (scope, root) => loss({ scope, parameters: root, step: scope.iota([]) }).loss);
    expect(largestDifference([found.loss], read('loss').data)).toBeLessThanOrEqual(tolerance.loss);
    const recorded = readdirSync(new URL('grads/', folder)).map((file) => file.replace(/\.npy$/, ''));
    expect(recorded.sort()).toEqual([...weights.keys()].sort());
    for (const path of recorded) expect(largestDifference(found.gradients.get(path)?.data, read(`grads/${path}`).data), path).toBeLessThanOrEqual(tolerance.grads);
  });

  it('scores pictures in bytes: ids alone, without start and end', async () => {
    const backend = await openOnnx();
    const rows: TextTokenizer = {
      specificationVersion: 'v1',
      vocabularySize: configuration.text.vocabularySize,
      encode: (text) => Int32Array.from(texts.data.subarray(Number(text) * configuration.text.length, (Number(text) + 1) * configuration.text.length)),
      decode: () => '',
    };
    const scorer = createClipScorer({ config: configuration, weights: weightsFromArrays(weights), textTokenizer: rows, backend });
    const plane = height * width;
    for (let row = 0; row < batch; row += 1) {
      const data = Uint8Array.from({ length: 3 * plane }, (_, at) => pictures.data[(row * 3 + (at % 3)) * plane + Math.floor(at / 3)] ?? 0);
      const [score] = await scorer.score(`${row}`, [{ picture: { width, height, data }, codes: new Int32Array(), grid: { rows: 1, columns: 1 } }]);
      expect(largestDifference([score ?? Number.NaN], read('scores').data.subarray(row, row + 1))).toBeLessThanOrEqual(tolerance.scores);
    }
    scorer.dispose();
    await backend.dispose();
  });
});
