import { add, argMax, type GuidanceBranch, int32Array, multiply, sliceAxis } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { engines, openOnnx } from '../../backend-onnx/src/__fixtures__/engines.js';
import { computeWith, largestDifference } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { decodeGreedily } from './__fixtures__/greedy.js';
import { caseNames, type RecordedMinDalle, recordedMinDalle } from './__fixtures__/min-dalle/recorded-case.js';
import { drawnAtMiddles } from './__fixtures__/sampled-by.js';
import { declareCondition } from './condition.js';
import { imageLengthOf } from './configuration.js';
import { padText } from './pad-text.js';
import { encodeText, jointStream, outputLogits, priorLogits } from './transformer.js';

function rowsOf(recorded: RecordedMinDalle, recording: string): number[][] {
  const { shape, data } = recorded.read(recording);
  const [rows = 0] = shape;
  return Array.from({ length: rows }, (_, row) => Array.from(data.slice((row * data.length) / rows, ((row + 1) * data.length) / rows)));
}

/** Ids without the padding behind them. */
const withoutPadding = (ids: readonly number[]): number[] => (ids.includes(1) ? ids.slice(0, ids.indexOf(1)) : [...ids]);

function guided(recorded: RecordedMinDalle, ids: readonly number[]): GuidanceBranch[] {
  return [
    { text: Int32Array.from(ids), weight: recorded.guidance },
    { text: new Int32Array(), weight: 1 - recorded.guidance },
  ];
}

const models = caseNames.filter((name) => name.startsWith('bart'));
const pipelines = caseNames.filter((name) => name.startsWith('pipeline'));

describe.each(models)("min-dalle's encoder and decoder, %s", (name) => {
  it('reads the empty text as the peer does', async () => {
    const recorded = await recordedMinDalle(name);
    expect([...padText(recorded.configuration, [])]).toEqual(rowsOf(recorded, 'text_tokens')[0]);
  });

  it.each(engines)('gives the same states, logits and guided tokens on $name', async (engine) => {
    const recorded = await recordedMinDalle(name);
    const { configuration, weights, tolerance, guidance } = recorded;
    const positions = imageLengthOf(configuration);
    const [empty = [], prompt = []] = rowsOf(recorded, 'text_tokens');
    const previous = rowsOf(recorded, 'prev_tokens');
    const greedy = rowsOf(recorded, 'greedy_tokens');
    const images = previous.length;
    // The start token leads what the peer is given; the last code predicts nothing.
    const teacher = previous.map((tokens) => [...tokens.slice(1), 0]);
    const both = (codes: readonly (readonly number[])[]): number[] => [...codes, ...codes].flat();
    const inputs = {
      text: int32Array([2 * images, configuration.textLength], [...teacher.flatMap(() => empty), ...teacher.flatMap(() => prompt)]),
      codes: int32Array([2 * images, positions], both(teacher)),
      greedy: int32Array([2 * images, positions], both(greedy)),
    };
    const { states, logits, guidedLogits } = await computeWith(engine, weights, inputs, (scope, root) => {
      const given = declareCondition(scope, configuration, 2 * images);
      const encoded = encodeText(root, configuration, given);
      if (encoded !== undefined) scope.output('states', encoded.states);
      scope.output('logits', priorLogits(root, configuration, given, scope.input('codes', [2 * images, positions], 'int32')).image);
      scope.output('guidedLogits', priorLogits(root, configuration, given, scope.input('greedy', [2 * images, positions], 'int32')).image);
    });
    const encoderState = recorded.read('encoder_state').data;
    const half = encoderState.length / 2;
    expect(largestDifference(states?.data.slice(0, half), encoderState.slice(0, half))).toBeLessThanOrEqual(tolerance.encoder_state ?? 0);
    expect(largestDifference(states?.data.slice(-half), encoderState.slice(half))).toBeLessThanOrEqual(tolerance.encoder_state ?? 0);
    for (const recording of ['logits_parallel', 'logits_steps']) expect(largestDifference(logits?.data, recorded.read(recording).data)).toBeLessThanOrEqual(tolerance.logits ?? 0);
    const without = guidedLogits?.data.slice(0, guidedLogits.data.length / 2) ?? new Float32Array();
    const mixed = Float32Array.from(without, (score, index) => score * (1 - guidance) + (guidedLogits?.data[without.length + index] ?? Number.NaN) * guidance);
    expect(largestDifference(mixed, recorded.read('greedy_guided_logits').data)).toBeLessThanOrEqual((tolerance.logits ?? 0) * (2 * guidance - 1));

    const backend = await engine.open();
    try {
      const branches = guided(recorded, withoutPadding(prompt));
      expect(
        await decodeGreedily(
          backend,
          configuration,
          weights,
          branches,
          greedy.map(() => []),
        ),
      ).toEqual(greedy);
    } finally {
      await backend.dispose();
    }
  });

  it('samples by the same weights', async () => {
    const recorded = await recordedMinDalle(name);
    const first = rowsOf(recorded, 'greedy_guided_logits');
    for (const [row, weights] of rowsOf(recorded, 'sample_weights_k3_t07').entries()) {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const scores = (first[row] ?? []).slice(0, weights.length);
      const { likely, drawn } = drawnAtMiddles(
        scores,
        { temperature: 0.7, topK: 3 },
        weights.map((weight) => weight / total),
        1e-3,
      );
      expect(likely.length).toBeGreaterThan(0);
      expect(drawn).toEqual(likely);
    }
  });
});

/** Positions whose 16 416 scores are looked at on every engine; decoding looks at all of them. */
const every = 8;

describe.each(pipelines)("min-dalle's whole chain, %s", (name) => {
  it.each(engines)('finds tokens of the recorded picture the likeliest codes on $name, though ids beyond the codebook score higher', async (engine) => {
    const recorded = await recordedMinDalle(name);
    const { configuration, weights, guidance } = recorded;
    const positions = imageLengthOf(configuration);
    const [tokens = []] = rowsOf(recorded, 'tokens');
    const inputs = {
      text: int32Array(
        [2, configuration.textLength],
        [padText(configuration, []), padText(configuration, recorded.read('text_ids').data)].flatMap((ids) => [...ids]),
      ),
      codes: int32Array([2, positions], [...tokens, ...tokens]),
    };
    const { codes, all } = await computeWith(engine, weights, inputs, (scope, root) => {
      const codes = sliceAxis(scope.input('codes', [2, positions], 'int32'), 1, 0, positions - 1);
      const stream = jointStream(root, configuration, declareCondition(scope, configuration, 2), codes);
      const logits = outputLogits(root, configuration, 'image', sliceAxis(stream, 1, 0, positions / every, every));
      const mixed = add(multiply(sliceAxis(logits, 0, 0, 1), 1 - guidance), multiply(sliceAxis(logits, 0, 1, 1), guidance));
      scope.output('codes', argMax(sliceAxis(mixed, 2, 0, configuration.codebookSize), 2));
      scope.output('all', argMax(mixed, 2));
    });
    expect(Array.from(codes?.data ?? [])).toEqual(tokens.filter((_, position) => position % every === 0));
    expect(Array.from(all?.data ?? []).filter((id) => id >= configuration.codebookSize).length).toBeGreaterThan(0);
  });

  it('decodes that picture', async () => {
    const recorded = await recordedMinDalle(name);
    const backend = await openOnnx();
    try {
      expect(await decodeGreedily(backend, recorded.configuration, recorded.weights, guided(recorded, Array.from(recorded.read('text_ids').data)), [[]])).toEqual(
        rowsOf(recorded, 'tokens'),
      );
    } finally {
      await backend.dispose();
    }
  });
});
