import {
  createTrainingStep,
  float32Array,
  type HostArray,
  initialiseParameters,
  initialTrainingState,
  int32Array,
  isTesseraeError,
  keyFromSeed,
  type Picture,
  type TextTokenizer,
  train,
  trainedParameters,
  uniformArray,
  weightsFromArrays,
} from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { engines, openOnnx } from '../../../backend-onnx/src/__fixtures__/engines.js';
import { computeWith } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { captionerParameters, captionLogits, sentenceEnd } from './captioner.js';
import { type CaptionerConfiguration, parseCaptionerConfiguration } from './configuration.js';
import { captionerTrainingLoss, captionLogProbabilities } from './likelihood.js';
import { captionIds, createCaptionScorer } from './scorer.js';

const configuration: CaptionerConfiguration = { kind: 'captioner', imageSize: 8, patch: 4, width: 16, layers: 2, heads: 2, textVocabularySize: 5, textLength: 6 };
const key = keyFromSeed(3);
// Far larger than first weights are, so that no difference hides in rounding.
const weights = new Map(
  Array.from(
    initialiseParameters(captionerParameters(configuration).values(), key),
    ([name, { shape, data }]) =>
      [
        name,
        float32Array(
          shape,
          Float32Array.from(data, (value) => 8 * value),
        ),
      ] as const,
  ),
);
const pixels = float32Array([2, 3, 8, 8], uniformArray(key, 2 * 3 * 64));
const end = sentenceEnd(configuration);

/** A word is an id: `a` is 0, `b` is 1, … */
const letters: TextTokenizer = {
  specificationVersion: 'v1',
  vocabularySize: 5,
  encode: (text) => Int32Array.from(text.replace(/ /g, ''), (letter) => letter.charCodeAt(0) - 97),
  decode: (ids) => Array.from(ids, (id) => String.fromCharCode(97 + id)).join(' '),
};

describe('a captioner', () => {
  const logProbabilities = async (engine: (typeof engines)[number], text: readonly number[]): Promise<HostArray | undefined> => {
    const results = await computeWith(engine, weights, { pixels, text: int32Array([2, 6], [...text, ...text]) }, (scope, root) => {
      scope.output('values', captionLogProbabilities(root, configuration, scope.input('pixels', [2, 3, 8, 8]), scope.input('text', [2, 6], 'int32')));
    });
    return results.values;
  };

  it.each(engines)("counts the ids of a sentence and its end, and nothing of the filling, on '$name'", async (engine) => {
    const values = Array.from((await logProbabilities(engine, [2, 0, end, end, end, end]))?.data ?? []);
    expect(values.map((value) => value < 0)).toEqual([true, true, true, false, false, false, true, true, true, false, false, false]);
  });

  it.each(engines)("gives each id the log of its softmax, and foresees nothing, on '$name'", async (engine) => {
    const text = [2, 0, 4, end, end, end];
    const { logits } = await computeWith(engine, weights, { pixels, text: int32Array([2, 6], [...text, ...text]) }, (scope, root) => {
      scope.output('logits', captionLogits(root, configuration, scope.input('pixels', [2, 3, 8, 8]), scope.input('text', [2, 6], 'int32')));
    });
    const expected = [0, 1].flatMap((picture) =>
      text.map((id, position) => {
        if (position > 3) return 0;
        const row = Array.from(logits?.data.subarray((picture * 6 + position) * 6, (picture * 6 + position + 1) * 6) ?? []);
        return (row[id] ?? 0) - Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
      }),
    );
    const values = await logProbabilities(engine, text);
    Array.from(values?.data ?? []).forEach((value, index) => expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 4));
    // Another third word changes the third value and what follows, not what came before.
    const other = await logProbabilities(engine, [2, 0, 1, end, end, end]);
    expect(other?.data[0]).toBeCloseTo(values?.data[0] ?? Number.NaN, 5);
    expect(other?.data[1]).toBeCloseTo(values?.data[1] ?? Number.NaN, 5);
    expect(Math.abs((other?.data[3] ?? 0) - (values?.data[3] ?? 0))).toBeGreaterThan(1e-4);
  });

  it('sees which colour lies where: trained on two-coloured pictures, it finds the picture of a sentence', async () => {
    const small: CaptionerConfiguration = { ...configuration, width: 32, textVocabularySize: 3, textLength: 3 };
    const colours = [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ] as const;
    /** Left half of one colour, right half of another. */
    const halves = (left: number, right: number): Picture => ({
      width: 8,
      height: 8,
      data: Uint8Array.from({ length: 192 }, (_, index) => colours[Math.floor(index / 3) % 8 < 4 ? left : right]?.[index % 3] ?? 0),
    });
    const pairs = [0, 1, 2].flatMap((left) => [0, 1, 2].map((right) => [left, right] as const));
    const step = createTrainingStep('captioner', captionerTrainingLoss(small, { batch: pairs.length }), {
      learningRate: { kind: 'constant', value: 1e-2 },
      muon: { under: 'blocks' },
    });
    const planes = pairs.flatMap(([left, right]) =>
      [0, 1, 2].flatMap((channel) => Array.from({ length: 64 }, (_, pixel) => (halves(left, right).data[pixel * 3 + channel] ?? 0) / 255)),
    );
    const backend = await openOnnx();
    try {
      const state = await train({
        backend,
        step,
        state: initialTrainingState(step, keyFromSeed(1)),
        steps: 60,
        batch: () => ({
          pixels: float32Array([9, 3, 8, 8], planes),
          text: int32Array(
            [9, 3],
            pairs.flatMap((pair) => [...captionIds(small, pair)]),
          ),
        }),
      });
      const scorer = createCaptionScorer({
        config: small,
        weights: weightsFromArrays(trainedParameters(step, state)),
        textTokenizer: { ...letters, vocabularySize: 3 },
        backend,
        maximumBatch: 4,
      });
      const images = pairs.map(([left, right]) => ({ picture: halves(left, right), codes: new Int32Array(), grid: { rows: 1, columns: 1 } }));
      for (const [index, [left, right]] of pairs.entries()) {
        const scores = await scorer.score(letters.decode([left, right]), images);
        expect(scores.indexOf(Math.max(...scores))).toBe(index);
      }
      scorer.dispose();
    } finally {
      await backend.dispose();
    }
  });
});

describe('captionIds', () => {
  it('ends a sentence, fills it with ends, and cuts what is too long so that an end remains', () => {
    expect([...captionIds(configuration, [1, 2])]).toEqual([1, 2, end, end, end, end]);
    expect([...captionIds(configuration, [])]).toEqual([end, end, end, end, end, end]);
    expect([...captionIds(configuration, [0, 1, 2, 3, 4, 0, 1])]).toEqual([0, 1, 2, 3, 4, end]);
  });
});

describe('what does not fit', () => {
  const messageOf = (build: () => unknown): string => {
    try {
      build();
    } catch (error) {
      return isTesseraeError(error) ? `${error.code}: ${error.message}` : String(error);
    }
    return 'nothing was refused';
  };

  it('is refused by name', async () => {
    const backend = await openOnnx();
    const scorer = (changes: Partial<Parameters<typeof createCaptionScorer>[0]>) => () =>
      createCaptionScorer({ config: configuration, weights: weightsFromArrays(weights), textTokenizer: letters, backend, ...changes });
    expect(messageOf(scorer({ textTokenizer: { ...letters, vocabularySize: 7 } }))).toMatch(/^model-incompatible: The captioner knows 5 text ids, the text tokenizer has 7/);
    expect(messageOf(scorer({ weights: weightsFromArrays(new Map()) }))).toMatch(/^model-incompatible: The captioner's weight '.+' should be .* but is missing/);
    expect(messageOf(scorer({ maximumBatch: 0 }))).toMatch(/^invalid-argument: .* 0 pictures/);
    await backend.dispose();
    for (const [field, value] of [
      ['kind', 'prior'],
      ['patch', 3],
      ['heads', 5],
      ['layers', 0],
      ['textLength', 2.5],
    ] as const) {
      expect(messageOf(() => parseCaptionerConfiguration({ ...configuration, [field]: value }))).toMatch(new RegExp(`^model-incompatible: .*'${field}' = `));
    }
    expect(parseCaptionerConfiguration(JSON.parse(JSON.stringify(configuration)))).toEqual(configuration);
  });
});
