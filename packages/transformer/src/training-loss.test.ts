import {
  createParameterTree,
  createTrainingStep,
  deriveKey,
  float32Array,
  type HostArray,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  stateNames,
  trace,
  train,
  uniformInteger,
} from '@tesserae/core';
import { arrayError } from '@tesserae/core/conformance';
import { createReferenceBackend, evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { type Engine, engines } from '../../backend-onnx/src/__fixtures__/engines.js';
import { forward, lively, logSoftmaxOf, tinyConfiguration } from './__fixtures__/tiny-prior.js';
import type { GivenChoices } from './blocks/choices.js';
import type { PriorConfiguration } from './configuration.js';
import { padText } from './pad-text.js';
import { makePriorBatch, type PriorExample } from './training-batch.js';
import { priorTrainingLoss } from './training-loss.js';
import { priorParameters } from './transformer.js';

function lossOf(
  configuration: PriorConfiguration,
  weights: ReadonlyMap<string, HostArray>,
  texts: readonly (readonly number[])[],
  codes: readonly (readonly number[])[],
): Record<string, number> {
  const batch = texts.length;
  const graph = trace('loss', (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const { loss, metrics = {} } = priorTrainingLoss(configuration, { batch })({ scope, parameters: tree.root, step: scope.literal(int32Array([], [0])) });
    scope.output('loss', loss);
    for (const [name, value] of Object.entries(metrics)) scope.output(name, value);
  });
  const text = int32Array(
    [batch, configuration.textLength],
    texts.flatMap((ids) => [...padText(configuration, ids)]),
  );
  const { outputs } = evaluateGraph(graph, { inputs: { text, codes: int32Array([batch, codes[0]?.length ?? 0], codes.flat()) }, constants: weights });
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data[0] ?? Number.NaN]));
}

describe('priorTrainingLoss', () => {
  it('is 1/8 · mean text + 7/8 · mean image cross-entropy, worked out by hand where all logits are the output bias', () => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, layers: 1, textVocabularySize: 2, textLength: 1, grid: { rows: 1, columns: 2 }, codebookSize: 2 };
    // Zero weights leave only the biases: text scores (0, ln 2, ln 5) over two ids and one padding, image scores (0, ln 3).
    const weights = new Map<string, HostArray>(
      Array.from(priorParameters(configuration).values(), ({ name, shape }) => {
        const biases: Record<string, number[]> = { 'head.text.bias': [0, Math.log(2), Math.log(5)], 'head.image.bias': [0, Math.log(3)] };
        return [name, float32Array(shape, biases[name] ?? new Float32Array(shape.reduce((product, size) => product * size, 1)))] as const;
      }),
    );
    // p(text 1) = 2/8, p(padding) = 5/8; p(code 0) = 1/4, p(code 1) = 3/4.
    const { loss, textLoss, imageLoss } = lossOf(
      configuration,
      weights,
      [[1], []],
      [
        [0, 1],
        [1, 1],
      ],
    );
    const text = -(Math.log(2 / 8) + Math.log(5 / 8)) / 2;
    const image = -(Math.log(1 / 4) + 3 * Math.log(3 / 4)) / 4;
    expect(textLoss).toBeCloseTo(text, 5);
    expect(imageLoss).toBeCloseTo(image, 5);
    expect(loss).toBeCloseTo(text / 8 + (7 * image) / 8, 5);
  });

  it('scores each token by the logits of the position before it', () => {
    const weights = lively(tinyConfiguration);
    const ids = [3, 1];
    const codes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1];
    const logits = forward(tinyConfiguration, weights, ids, codes);
    const mean = (rows: number[][], labels: ArrayLike<number>): number => rows.reduce((sum, row, index) => sum - (logSoftmaxOf(row)[labels[index] ?? 0] ?? 0), 0) / rows.length;
    const { textLoss, imageLoss } = lossOf(tinyConfiguration, weights, [ids], [codes]);
    expect(textLoss).toBeCloseTo(mean(logits.text, padText(tinyConfiguration, ids)), 4);
    expect(imageLoss).toBeCloseTo(mean(logits.image, codes), 4);
  });

  it.each(['full', 'paper'] as const)('lets no logit of %s attention see its own token or a later one', (attention) => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, layers: 3, attention };
    const weights = lively(configuration);
    const codes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1];
    const before = forward(configuration, weights, [3, 1, 2], codes);
    const changed = forward(
      configuration,
      weights,
      [3, 1, 2],
      codes.map((code, position) => (position >= 5 ? 10 - code : code)),
    );
    expect(changed.text).toEqual(before.text);
    expect(changed.image.slice(0, 6)).toEqual(before.image.slice(0, 6));
    expect(changed.image[6]).not.toEqual(before.image[6]);
    const otherText = forward(configuration, weights, [3, 4, 2], codes);
    expect(otherText.text.slice(0, 2)).toEqual(before.text.slice(0, 2));
    expect(otherText.image[0]).not.toEqual(before.image[0]);
  });

  it('falls when trained, through gradients and AdamW', async () => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, grid: { rows: 2, columns: 2 }, attention: 'paper' };
    const key = keyFromSeed(5);
    const examples: PriorExample[] = Array.from({ length: 4 }, (_, index) => ({
      captions: [Int32Array.of(index, index)],
      codes: Int32Array.from({ length: 4 }, (_unused, position) => uniformInteger(deriveKey(key, index), 11, position)),
    }));
    const step = createTrainingStep('prior', priorTrainingLoss(configuration, { batch: 4 }), { learningRate: { kind: 'constant', value: 0.02 } });
    const losses: number[] = [];
    await train({
      backend: createReferenceBackend(),
      step,
      state: initialTrainingState(step, key),
      steps: 40,
      batch: (at) => ({ ...makePriorBatch(examples, { configuration, batch: 4, key, step: at, captionDropout: 0 }) }),
      onProgress: ({ metrics }) => {
        losses.push(metrics.imageLoss ?? Number.NaN);
      },
    });
    expect(losses[0]).toBeCloseTo(Math.log(11), 1);
    expect(losses.at(-1)).toBeLessThan(0.3);
  });
});

describe('recomputed layers', () => {
  const block = (choices: GivenChoices, change: Partial<PriorConfiguration> = {}): PriorConfiguration => ({
    ...tinyConfiguration,
    layers: 3,
    attention: 'paper',
    ...change,
    block: choices,
  });
  const priors: Readonly<Record<string, PriorConfiguration>> = {
    plain: block({}),
    'token shift in a reversible network': block({ tokenShift: true, reversible: true }),
    'axial turns, shared layers': block({ attentionOf: [0, 1, 0], feedForwardOf: [0, 0, 0] }, { headSize: 8, positions: 'rotary-axial' }),
  };

  it.each(Object.entries(priors))('give the same loss and gradients: %s', async (_, configuration) => {
    const inputs = { text: int32Array([1, 3], padText(configuration, [3, 1])), codes: int32Array([1, 12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1]) };
    const found = async (engine: Engine, recompute: 'none' | 'cheap' | 'layers') => {
      const backend = await engine.open();
      const step = createTrainingStep('step', priorTrainingLoss(configuration, { batch: 1, recompute, attention: 'windowed' }), { learningRate: { kind: 'constant', value: 0 } });
      const state = await backend.createState(new Map([...initialTrainingState(step, keyFromSeed(1)), ...lively(configuration)]));
      const program = await backend.compile(step.graph, { state });
      try {
        const { loss } = await program.run(inputs);
        // After one update the first moments are a tenth of the gradients.
        const moments = new Map<string, HostArray>();
        for (const name of step.specs.keys()) moments.set(name, await state.read(stateNames.mean(name)));
        return { nodes: step.graph.nodes.length, loss: loss?.data[0], moments };
      } finally {
        program.dispose();
        state.dispose();
        await backend.dispose();
      }
    };
    for (const engine of engines) {
      const kept = await found(engine, 'none');
      for (const recompute of ['cheap', 'layers'] as const) {
        const again = await found(engine, recompute);
        expect(again.nodes).toBeGreaterThan(kept.nodes);
        expect(again.loss).toBeCloseTo(kept.loss ?? Number.NaN, 5);
        for (const [name, moment] of again.moments) {
          const truth = kept.moments.get(name);
          if (truth === undefined) throw new Error(`no ${name}`);
          expect(arrayError(moment, truth), `${name} with ${recompute} on ${engine.name}`).toBeLessThan(1e-6);
        }
      }
    }
  });
});

describe('makePriorBatch', () => {
  const examples: PriorExample[] = Array.from({ length: 5 }, (_, index) => ({ captions: [Int32Array.of(index)], codes: new Int32Array(12).fill(index) }));
  const options = { configuration: tinyConfiguration, batch: 5, key: keyFromSeed(1), captionDropout: 0 };
  const firstCodes = ({ codes }: { codes: HostArray }): number[] => Array.from({ length: 5 }, (_, row) => codes.data[row * 12] ?? -1);

  it('meets every example once an epoch, in an order of its own', () => {
    const epochs = [0, 1, 2].map((step) => firstCodes(makePriorBatch(examples, { ...options, step })));
    for (const epoch of epochs) expect([...epoch].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(epochs.map(String)).size).toBeGreaterThan(1);
  });

  it('is the same whenever the same step is asked for, and keeps captions with their pictures', () => {
    const batch = makePriorBatch(examples, { ...options, step: 7 });
    expect(makePriorBatch(examples, { ...options, step: 7 })).toEqual(batch);
    expect(Array.from({ length: 5 }, (_, row) => batch.text?.data[row * 3])).toEqual(firstCodes(batch));
  });

  it('empties the wanted share of captions', () => {
    const empties = Array.from({ length: 400 }, (_, step) => makePriorBatch(examples, { ...options, step, captionDropout: 0.25 }).text?.data)
      .flatMap((data) => [0, 3, 6, 9, 12].map((at) => (data?.[at] === 7 ? 1 : 0) as number))
      .reduce((sum, empty) => sum + empty, 0);
    expect(empties / 2000).toBeGreaterThan(0.21);
    expect(empties / 2000).toBeLessThan(0.29);
  });

  it('draws captions that are drawn anew by a key of the turn: the same when it is met again, another the next time', () => {
    const drawn: PriorExample[] = [{ captions: [(key) => Int32Array.of(uniformInteger(key, 7), uniformInteger(key, 7, 1), 1, 6)], codes: new Int32Array(12) }];
    const textAt = (step: number): number[] => Array.from(makePriorBatch(drawn, { ...options, batch: 1, step }).text?.data ?? []);
    expect(textAt(3)).toEqual(textAt(3));
    expect(new Set(Array.from({ length: 12 }, (_, step) => textAt(step).join(' '))).size).toBeGreaterThan(6);
    // Three ids long: what is drawn longer loses its end.
    expect(textAt(0)[2]).toBe(1);
  });

  it('carries classes as one number each, and none for those that are dropped', () => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, textLength: 1, condition: { kind: 'class' } };
    const kept = makePriorBatch(examples, { ...options, configuration, step: 3 });
    expect(Array.from(kept.text?.data ?? [])).toEqual(firstCodes(kept));
    // The empty text is the class after the last.
    expect(Array.from(makePriorBatch(examples, { ...options, configuration, step: 3, captionDropout: 1 }).text?.data ?? [])).toEqual(new Array(5).fill(7));
  });

  it('carries features of captions with their masks, of which a dropped one keeps the mask alone', () => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, textVocabularySize: 0, condition: { kind: 'features', width: 2 } };
    const told = examples.map(
      (example, index): PriorExample => ({
        ...example,
        captions: [],
        features: [{ values: new Float32Array(6).fill(index + 1), mask: Uint8Array.of(0, index % 2, 1) }],
      }),
    );
    const batches = Array.from({ length: 40 }, (_, step) => makePriorBatch(told, { ...options, configuration, step, captionDropout: 0.25 }));
    let dropped = 0;
    for (const batch of batches) {
      expect(Object.keys(batch).sort()).toEqual(['codes', 'features', 'featuresGiven', 'featuresMask']);
      for (const [row, index] of firstCodes(batch).entries()) {
        const isGiven = batch.featuresGiven?.data[row] === 1;
        if (!isGiven) dropped += 1;
        expect(Array.from(batch.features?.data.subarray(row * 6, row * 6 + 6) ?? [])).toEqual(new Array(6).fill(isGiven ? index + 1 : 0));
        expect(Array.from(batch.featuresMask?.data.subarray(row * 3, row * 3 + 3) ?? [])).toEqual([0, index % 2, 1]);
      }
    }
    expect(dropped / 200).toBeGreaterThan(0.17);
    expect(dropped / 200).toBeLessThan(0.33);
  });

  it.each<[string, Partial<PriorConfiguration>]>([
    ['classes', { textLength: 1, condition: { kind: 'class' } }],
    ['features', { textVocabularySize: 0, condition: { kind: 'features', width: 2 } }],
  ])('gives a training on %s what it needs: the picture is learnt from what was told', async (_, change) => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, ...change, grid: { rows: 1, columns: 2 } };
    // The same pictures under either question: only what is told tells them apart.
    const pair = [0, 1].map(
      (index): PriorExample => ({ captions: [Int32Array.of(index)], features: [{ values: new Float32Array(6).fill(2 * index - 1) }], codes: Int32Array.of(3 + index, 9) }),
    );
    const step = createTrainingStep('prior', priorTrainingLoss(configuration, { batch: 4 }), { learningRate: { kind: 'constant', value: 0.03 } });
    const losses: number[] = [];
    await train({
      backend: createReferenceBackend(),
      step,
      state: initialTrainingState(step, keyFromSeed(4)),
      steps: 40,
      batch: (at) => makePriorBatch(pair, { configuration, batch: 4, key: keyFromSeed(4), step: at, captionDropout: 0 }),
      onProgress: ({ metrics }) => void losses.push(metrics.imageLoss ?? Number.NaN),
    });
    // Without being told, half of the pictures' first codes would be wrong: ln 2 over two codes.
    expect(losses.at(-1)).toBeLessThan(Math.LN2 / 4);
  });

  it('refuses an empty set and codes of another grid', () => {
    expect(() => makePriorBatch([], { ...options, step: 0 })).toThrow(expect.objectContaining({ code: 'dataset-empty' }));
    expect(() => makePriorBatch([{ captions: [], codes: new Int32Array(3) }], { ...options, step: 0 })).toThrow(expect.objectContaining({ code: 'model-incompatible' }));
  });
});
