import { int32Array } from '@tesserae/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../backend-onnx/src/__fixtures__/engines.js';
import { computeWith, largestDifference } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { decodeGreedily } from './__fixtures__/greedy.js';
import { caseNames, type RecordedMinDalleKakao, recordedMinDalleKakao } from './__fixtures__/mindalle-kakao/recorded-case.js';
import { drawnAtMiddles } from './__fixtures__/sampled-by.js';
import { declareCondition } from './condition.js';
import { priorLogits } from './transformer.js';

describe.each(caseNames)("minDALL-E's transformer, %s", (name) => {
  let recorded: RecordedMinDalleKakao;
  beforeAll(async () => {
    recorded = await recordedMinDalleKakao(name);
  });
  const rowsOf = (recording: string): number[][] => {
    const { shape, data } = recorded.read(recording);
    const [rows = 0] = shape;
    return Array.from({ length: rows }, (_, row) => Array.from(data.slice((row * data.length) / rows, ((row + 1) * data.length) / rows)));
  };

  it.each(engines)('gives the same text and image logits and the same tokens on $name', async (engine) => {
    const { configuration, weights, tolerance } = recorded;
    const [text, codes] = ['text', 'image_codes'].map((recording) => recorded.read(recording)).map(({ shape, data }) => int32Array(shape, Int32Array.from(data)));
    if (text === undefined || codes === undefined) throw new Error('no inputs');
    const logits = await computeWith(engine, weights, { text, codes }, (scope, root) => {
      const given = declareCondition(scope, configuration, text.shape[0] ?? 0);
      const made = priorLogits(root, configuration, given, scope.input('codes', codes.shape, 'int32'));
      if (made.text !== undefined) scope.output('text', made.text);
      scope.output('image', made.image);
    });
    expect(largestDifference(logits.image?.data, recorded.read('logits_img').data)).toBeLessThanOrEqual(tolerance.logits_img);
    expect(largestDifference(logits.text?.data, recorded.read('logits_txt').data)).toBeLessThanOrEqual(tolerance.logits_txt);

    const backend = await engine.open();
    try {
      const truth = rowsOf('greedy_codes');
      for (const [row, ids] of rowsOf('text').entries()) {
        expect(await decodeGreedily(backend, configuration, weights, [{ text: Int32Array.from(ids), weight: 1 }], [[]])).toEqual([truth[row]]);
      }
    } finally {
      await backend.dispose();
    }
  });

  it('samples by the same cut distributions', () => {
    const { codebookSize } = recorded.configuration;
    const scores = rowsOf('logits_img').map((all) => all.slice(0, codebookSize));
    const top = rowsOf('topk5_logits').map((kept) => kept.map((score) => (score < -1e30 ? 0 : Math.exp(score))));
    for (const [row, weights] of top.entries()) {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const { likely, drawn } = drawnAtMiddles(
        scores[row] ?? [],
        { temperature: 1, topK: 5 },
        weights.map((weight) => weight / total),
      );
      expect(likely).toHaveLength(5);
      expect(drawn).toEqual(likely);
    }
    for (const [row, probabilities] of rowsOf('topp06_probs').entries()) {
      const { likely, drawn } = drawnAtMiddles(scores[row] ?? [], { temperature: 1, topP: 0.6 }, probabilities);
      expect(likely.length).toBeLessThan(codebookSize);
      expect(drawn).toEqual(likely);
    }
  });
});
