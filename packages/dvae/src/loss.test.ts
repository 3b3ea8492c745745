import {
  createParameterTree,
  createTrainingStep,
  deriveKey,
  float32Array,
  type HostArray,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  type LossFunction,
  type Tensor,
  trace,
  train,
  uniformArray,
} from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { openOnnx } from '../../backend-onnx/src/__fixtures__/engines.js';
import { firstWeights, rectangles, tinyDvae } from './__fixtures__/tiny-dvae.js';
import { paperDvae } from './configuration.js';
import { dvaeTrainingLoss, dvaeValidationLoss, klScale, klToUniform, usageDivergence } from './loss.js';

function onLogits(measure: (logits: Tensor) => Tensor, logits: HostArray): number {
  const graph = trace('measure', (scope) => {
    scope.output('value', measure(scope.input('logits', logits.shape)));
  });
  return evaluateGraph(graph, { inputs: { logits } }).outputs.value?.data[0] ?? Number.NaN;
}

/** Logits of [1, 8, 2, 4] that are certain of one code at each position. */
function certain(codeAt: (position: number) => number): HostArray {
  return float32Array(
    [1, 8, 2, 4],
    Float32Array.from({ length: 64 }, (_, index) => (codeAt(index % 8) === Math.floor(index / 8) ? 1000 : 0)),
  );
}

/** Loss and metrics on first weights. */
function evaluated(loss: LossFunction, inputs: Record<string, HostArray>): Record<string, HostArray> {
  const graph = trace('loss', (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const result = loss({ scope, parameters: tree.root, step: scope.literal(int32Array([], [0])) });
    for (const [name, value] of Object.entries({ ...result.metrics, loss: result.loss })) scope.output(name, value);
  });
  return evaluateGraph(graph, { inputs, constants: firstWeights(tinyDvae) }).outputs;
}

const number = (value: HostArray | undefined): number => value?.data[0] ?? Number.NaN;

function noiseAt(step: number, batch: number): HostArray {
  const side = tinyDvae.imageSize / 2;
  return float32Array([batch, tinyDvae.codebookSize, side, side], uniformArray(deriveKey(keyFromSeed(9), step), batch * tinyDvae.codebookSize * side * side));
}

describe('the divergences', () => {
  it('are 0 for uniform logits, whatever their level', () => {
    const level = float32Array([1, 8, 2, 4], new Float32Array(64).fill(3.5));
    expect(onLogits(klToUniform, level)).toBeCloseTo(0, 6);
    expect(onLogits(usageDivergence, level)).toBeCloseTo(0, 6);
  });

  it('of a position is ln K when it is certain', () => {
    expect(
      onLogits(
        klToUniform,
        certain((position) => position),
      ),
    ).toBeCloseTo(Math.log(8), 6);
    expect(
      onLogits(
        klToUniform,
        certain(() => 3),
      ),
    ).toBeCloseTo(Math.log(8), 6);
  });

  it('of the usage is 0 when certain positions share the codes, ln K when they share one', () => {
    expect(
      onLogits(
        usageDivergence,
        certain((position) => position),
      ),
    ).toBeCloseTo(0, 5);
    expect(
      onLogits(
        usageDivergence,
        certain(() => 3),
      ),
    ).toBeCloseTo(Math.log(8), 5);
  });
});

describe('klScale', () => {
  it('is 1/192 for codes of 8×8 pixels, at every picture size', () => {
    expect(klScale(paperDvae)).toBe(1 / 192);
    expect(klScale({ ...paperDvae, imageSize: 64, hidden: 8 })).toBe(1 / 192);
    expect(klScale(tinyDvae)).toBe(1 / 12);
  });
});

describe('the training loss', () => {
  it('is reconstruction + β·klScale·KL + usage by its weight', () => {
    const loss = dvaeTrainingLoss(tinyDvae, 2, { temperature: { kind: 'constant', value: 0.5 }, klWeight: { kind: 'constant', value: 6.6 }, usageWeight: 0.5 });
    const results = evaluated(loss, { pixels: rectangles(2, 8, 1), noise: noiseAt(0, 2) });
    expect(number(results.loss)).toBeCloseTo(number(results.reconstruction) + (6.6 / 12) * number(results.kl) + 0.5 * number(results.usage), 5);
    expect(number(results.temperature)).toBe(0.5);
    expect(number(results.klWeight)).toBeCloseTo(6.6, 6);
  });

  it('falls on a few pictures, further than any one colour a picture could take it', async () => {
    const batch = 4;
    const pixels = rectangles(batch, 8, 2);
    const schedules = { temperature: { kind: 'constant', value: 0.5 }, klWeight: { kind: 'constant', value: 0.1 } } as const;
    const step = createTrainingStep('tiny dvae', dvaeTrainingLoss(tinyDvae, batch, schedules), { learningRate: { kind: 'constant', value: 0.01 }, clipNorm: 10 });
    const losses: number[] = [];
    const backend = await openOnnx();
    await train({
      backend,
      step,
      state: initialTrainingState(step, keyFromSeed(4)),
      steps: 160,
      batch: (at) => ({ pixels, noise: noiseAt(at, batch) }),
      onProgress: ({ metrics }) => {
        losses.push(metrics.loss ?? Number.NaN);
      },
    });
    await backend.dispose();
    expect(losses).toHaveLength(160);
    expect(losses[0]).toBeGreaterThan(-0.1);
    const last = losses.slice(-10);
    // Without codes, from the mean colour alone, it rests at −0.36.
    expect(last.reduce((sum, loss) => sum + loss, 0) / last.length).toBeLessThan(-0.5);
  }, 240_000);
});

describe('the validation loss', () => {
  it('counts every position once and gives pictures', () => {
    const pixels = rectangles(3, 8, 5);
    const results = evaluated(dvaeValidationLoss(tinyDvae, 3), { pixels });
    expect(results.codeCounts?.shape).toEqual([16]);
    expect(Array.from(results.codeCounts?.data ?? []).reduce((sum, count) => sum + count, 0)).toBe(3 * 4 * 4);
    expect(results.pictures?.shape).toEqual([3, 3, 8, 8]);
    const squares = Array.from(results.pictures?.data ?? [], (value, index) => (value - (pixels.data[index] ?? 0)) ** 2);
    expect(number(results.squaredError)).toBeCloseTo(squares.reduce((sum, value) => sum + value, 0) / squares.length, 6);
    expect(number(results.loss)).toBeTypeOf('number');
  });
});
