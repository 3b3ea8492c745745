import { boolArray, float32Array, type GuidanceBranch, type HostArray, int32Array, sliceAxis } from '@tesserae/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../backend-onnx/src/__fixtures__/engines.js';
import { computeWith, largestDifference } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { decodeGreedily } from './__fixtures__/greedy.js';
import { caseNames, type RecordedLlamaGen, recordedLlamaGen } from './__fixtures__/llamagen/recorded-case.js';
import { drawnAtMiddles } from './__fixtures__/sampled-by.js';
import { gridTable } from './blocks/rotary.js';
import { declareCondition } from './condition.js';
import { headSizeOf, imageLengthOf, prefixLengthOf } from './configuration.js';
import { jointStream, outputLogits } from './transformer.js';

describe.each(caseNames)("LlamaGen's transformer, %s", (name) => {
  let recorded: RecordedLlamaGen;
  beforeAll(async () => {
    recorded = await recordedLlamaGen(name);
  });
  const rowsOf = (recording: string): number[][] => {
    const { shape, data } = recorded.read(recording);
    const [rows = 0] = shape;
    return Array.from({ length: rows }, (_, row) => Array.from(data.slice((row * data.length) / rows, ((row + 1) * data.length) / rows)));
  };
  /** The condition of both pictures, without a mask: what the forward pass was recorded with. */
  const inputsOf = ({ configuration }: RecordedLlamaGen): Record<string, HostArray> => {
    const { shape, data } = recorded.read('cond');
    const batch = shape[0] ?? 0;
    if (configuration.condition?.kind !== 'features') return { text: int32Array([batch, 1], Int32Array.from(data)) };
    return {
      features: float32Array(shape, Float32Array.from(data)),
      featuresGiven: boolArray([batch], new Uint8Array(batch).fill(1)),
      featuresMask: boolArray([batch, configuration.textLength], new Uint8Array(batch * configuration.textLength).fill(1)),
    };
  };
  /** Told the condition of picture `row`, and told nothing. */
  const branchesOf = (row: number): { readonly told: GuidanceBranch; readonly untold: GuidanceBranch } => {
    const values = Float32Array.from(rowsOf('cond')[row] ?? []);
    if (recorded.configuration.condition?.kind !== 'features') return { told: { text: Int32Array.from(values), weight: 1 }, untold: { text: new Int32Array(), weight: 0 } };
    const mask = Uint8Array.from(rowsOf('caption_mask')[row] ?? []);
    return { told: { text: new Int32Array(), features: { values, mask }, weight: 1 }, untold: { text: new Int32Array(), features: { mask }, weight: 0 } };
  };

  it('turns by the same table, and leaves nothing of the condition’s queries and keys', () => {
    const { configuration } = recorded;
    const { cosines, sines } = gridTable(headSizeOf(configuration), prefixLengthOf(configuration), configuration.grid);
    const { shape, data } = recorded.read('rope');
    const everySecond = (values: ArrayLike<number>, first: number): number[] => Array.from({ length: values.length / 2 }, (_, index) => values[2 * index + first] ?? Number.NaN);
    expect(cosines.shape).toEqual([shape[0], 2 * (shape[1] ?? 0)]);
    // Each number stands twice, for both channels of its pair.
    for (const channel of [0, 1]) {
      expect(largestDifference(everySecond(cosines.data, channel), everySecond(data, 0))).toBeLessThan(1e-6);
      expect(largestDifference(everySecond(sines.data, channel), everySecond(data, 1))).toBeLessThan(1e-6);
    }
  });

  describe.each(engines)('on $name', (engine) => {
    it('gives the same logits at all positions', async () => {
      const { configuration, weights, tolerance } = recorded;
      const codes = recorded.read('codes');
      const inputs = { ...inputsOf(recorded), codes: int32Array(codes.shape, Int32Array.from(codes.data)) };
      const { logits } = await computeWith(engine, weights, inputs, (scope, root) => {
        const given = declareCondition(scope, configuration, codes.shape[0] ?? 0);
        const all = scope.input('codes', codes.shape, 'int32');
        const stream = jointStream(root, configuration, given, sliceAxis(all, 1, 0, imageLengthOf(configuration) - 1));
        scope.output('logits', outputLogits(root, configuration, 'image', stream));
      });
      const truth = recorded.read('logits');
      // The peer keeps the condition's own positions only for captions, and predicts nothing there.
      expect(logits?.shape).toEqual(truth.shape);
      expect(largestDifference(logits?.data, truth.data)).toBeLessThanOrEqual(tolerance.logits);
    });

    it('decodes the same tokens, told, guided, and guided at the beginning', async () => {
      const { configuration, weights, guidance } = recorded;
      const backend = await engine.open();
      try {
        for (const row of [0, 1]) {
          const { told, untold } = branchesOf(row);
          const decode = (branches: readonly GuidanceBranch[], beginning: readonly number[] = []): Promise<number[][]> =>
            decodeGreedily(backend, configuration, weights, branches, [beginning]);
          expect(await decode([told])).toEqual([rowsOf('greedy_nocfg')[row]]);
          const guided = [
            { ...told, weight: guidance },
            { ...untold, weight: 1 - guidance },
          ];
          const [tokens = []] = await decode(guided);
          expect(tokens).toEqual(rowsOf('greedy_cfg')[row]);
          // The peer counts its interval from the second token and includes its end: five tokens are guided.
          expect(await decode([told], tokens.slice(0, 5))).toEqual([rowsOf('greedy_cfg_interval3')[row]]);
        }
      } finally {
        await backend.dispose();
      }
    });
  });

  it('samples by the same distribution of temperature, top-k and top-p', () => {
    const { codebookSize } = recorded.configuration;
    for (const [row, probabilities] of rowsOf('probs_k6_p07_t08').entries()) {
      const scores = (rowsOf('logits')[row] ?? []).slice(-codebookSize);
      const { likely, drawn } = drawnAtMiddles(scores, { temperature: 0.8, topK: 6, topP: 0.7 }, probabilities);
      expect(likely.length).toBeGreaterThan(1);
      expect(likely.length).toBeLessThan(7);
      expect(drawn).toEqual(likely);
    }
  });
});
