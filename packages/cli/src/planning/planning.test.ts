import { type Backend, createTrainingStep, deriveKey, type HostArray, initialiseParameters, initialTrainingState, keyFromSeed, weightsFromArrays } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { imageTokenizerParameters } from '@tesserae/dvae';
import { createTransformerPrior, type PriorConfiguration, priorParameters, priorTrainingLoss } from '@tesserae/transformer';
import { describe, expect, it } from 'vitest';
import { runCommand } from '../__fixtures__/run-command.js';
import { countParameters } from './parameters.js';
import { decodingSpeeds, planDecoding } from './plan-decoding.js';
import { planTraining } from './plan-training.js';
import { presets } from './presets.js';

const tiny: PriorConfiguration = {
  kind: 'prior',
  width: 24,
  layers: 3,
  heads: 3,
  textVocabularySize: 40,
  textLength: 6,
  grid: { rows: 4, columns: 4 },
  codebookSize: 32,
  attention: 'full',
};
const optimizer = { learningRate: { kind: 'constant', value: 1e-3 }, clipNorm: 1, ema: 0.9 } as const;
const bytesIn = (arrays: Iterable<HostArray>): number => Array.from(arrays, ({ data }) => data.byteLength).reduce((sum, size) => sum + size, 0);
const presetOf = (name: string) => {
  const preset = presets[name];
  if (preset === undefined) throw new Error(`no preset ${name}`);
  return preset;
};

describe('parameters', () => {
  it.each([
    // The state dictionary of the public class.
    ['mindalle', 1_291_081_728, 0],
    // As its authors round them.
    ['llamagen-b', 110.9e6, 0.05e6],
    ['llamagen-xl', 774.7e6, 0.05e6],
    ['llamagen-3b', 3.097e9, 0.5e6],
    ['dalle-12b', 12e9, 0.5e9],
  ])('of %s are as published', (name, published, rounding) => {
    const counted = countParameters(priorParameters(presetOf(name).prior).values());
    expect(Math.abs(counted - published)).toBeLessThanOrEqual(rounding);
  });

  it.each([
    ['dalle-12b', 53_786_240 + 43_829_766],
    ['mindalle', 76_073_859],
    ['llamagen-b', 71_883_403],
  ])('of the image tokenizer of %s are as published', (name, published) => {
    expect(countParameters(imageTokenizerParameters(presetOf(name).imageTokenizer).values())).toBe(published);
  });
});

describe('training FLOPs', () => {
  const batch = 2;
  const { width: d, layers, textLength, textVocabularySize, codebookSize } = tiny;
  const positions = 1 + textLength + 16 - 1;
  const tokens = batch * (textLength + 16);
  const plan = planTraining({ name: 'tiny', loss: priorTrainingLoss(tiny, { batch }), optimizer, batch, tokens, updates: 10 });

  it('of a small GPT are those one counts by hand', () => {
    // A multiplication and an addition a weight and position; scores and mixture of every position with every other.
    const matrices = layers * (3 * d * d + d * d + 8 * d * d) * positions;
    const attention = layers * 2 * positions * positions * d;
    const heads = textLength * d * (textVocabularySize + textLength) + 16 * d * codebookSize;
    // Backward twice: for the weights (or keys, values) and for what came in.
    expect(plan.flops.perUpdate).toBe(3 * 2 * batch * (matrices + attention + heads));
    expect(plan.flops.total).toBe(10 * plan.flops.perUpdate);
  });

  it('of a large one are 6 a parameter and token, and those of attention', () => {
    const prior = { ...presetOf('mindalle').prior, layers: 6 };
    const count = countParameters(priorParameters(prior).values());
    const perPicture = prior.textLength + 256;
    const { perSixParameters } = planTraining({ name: 'large', loss: priorTrainingLoss(prior, { batch: 1 }), optimizer, batch: 1, tokens: perPicture, updates: 1 });
    // Embedding tables multiply nothing: token and position tables of text and image. Of the two heads each token meets one.
    const idle = 2 * 16384 * 1536 + perPicture * 1536 + 16384 * 1536;
    const attention = prior.layers * 2 * perPicture * prior.width;
    expect(perSixParameters).toBeCloseTo((count - idle + attention) / count, 2);
  });
});

describe('memory of training', () => {
  it('holds the very arrays that a training begins with', () => {
    for (const options of [optimizer, { ...optimizer, muon: { under: 'blocks' } }]) {
      const loss = priorTrainingLoss(tiny, { batch: 2 });
      const { memory } = planTraining({ name: 'tiny', loss, optimizer: options, batch: 2, tokens: 1, updates: 1 });
      const state = initialTrainingState(createTrainingStep('tiny', loss, options), keyFromSeed(1));
      const { parameters, optimizer: kept } = memory;
      expect(parameters + Object.values(kept).reduce((sum, size) => sum + size, 0)).toBe(bytesIn(state.values()));
      expect(kept.variances < kept.means).toBe('muon' in options);
    }
  });

  it('grows with the batch by activations alone', () => {
    const at = (batch: number) => planTraining({ name: 'tiny', loss: priorTrainingLoss(tiny, { batch }), optimizer, batch, tokens: 1, updates: 1 }).memory;
    const [one, two] = [at(32), at(64)];
    expect(two.parameters).toBe(one.parameters);
    expect(two.peak.activations / one.peak.activations).toBeCloseTo(2, 1);
    expect(two.total - one.total).toBe(two.inputs - one.inputs + (two.peak.activations - one.peak.activations) + (two.peak.gradients - one.peak.gradients));
  });
});

describe('decoding', () => {
  it('keeps as many bytes of keys and values as decoding really makes', async () => {
    for (const [attention, branches] of [
      ['paper', 1],
      [['axialRow', 'full', 'convLike'], 2],
    ] as const) {
      const configuration: PriorConfiguration = { ...tiny, attention };
      const made: number[] = [];
      const reference = createReferenceBackend();
      const backend: Backend = {
        ...reference,
        createState: (initial) => {
          made.push(bytesIn(initial.values()));
          return reference.createState(initial);
        },
      };
      const weights = weightsFromArrays(initialiseParameters(priorParameters(configuration).values(), deriveKey(keyFromSeed(1), 'weights')));
      const prior = createTransformerPrior({ config: configuration, weights, backend });
      const known = Int32Array.from({ length: 16 }, (_, position) => (position < 4 ? -1 : 0));
      const rows = prior.decode({
        branches: Array.from({ length: branches }, () => ({ text: Int32Array.of(1, 2), weight: 1 / branches })),
        known: [known, known, known],
        candidates: [0, 1, 2],
        sampling: { temperature: 0 },
        uniform: () => 0.5,
      });
      for await (const _ of rows);
      prior.dispose();
      const { cache, otherState } = planDecoding(configuration, { candidates: 3, branches });
      expect(made).toEqual([cache.reduce((sum, { bytes }) => sum + bytes, 0) + otherState]);
      expect(cache.reduce((sum, { layers }) => sum + layers, 0)).toBe(3);
    }
  });

  it('reads the matrices of the blocks and the head once a token, whatever the batch', () => {
    const matrices = Array.from(priorParameters(tiny).values()).filter(({ name }) => /^(blocks\..*weight|head\.image\.weight)$/.test(name) && !name.includes('norm'));
    const blocks = countParameters(matrices);
    const [one, eight] = [planDecoding(tiny, { candidates: 1, branches: 1 }), planDecoding(tiny, { candidates: 8, branches: 1 })];
    // Norms, biases and rows of tables come on top: little.
    expect(one.weightBytes.float32 / (4 * blocks)).toBeGreaterThan(1);
    expect(one.weightBytes.float32 / (4 * blocks)).toBeLessThan(1.1);
    // Three of four bytes less for each number, and a scale a row of every matrix.
    const rows = matrices.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    expect(one.weightBytes.float32 - one.weightBytes.int8).toBeCloseTo(3 * blocks - 4 * rows, 6);
    expect(eight.weightBytes.float32 / one.weightBytes.float32).toBeLessThan(1.1);
    expect(eight.flopsPerToken).toBe(one.flopsPerToken);
  });

  it('is as fast as the slower of memory and arithmetic', () => {
    const plan = planDecoding(tiny, { candidates: 4, branches: 1 });
    const [slowMemory] = decodingSpeeds(plan, { bandwidth: plan.weightBytes.float32 + plan.stateBytes, flops: 1e15, dollarsPerHour: 3 }, 0);
    // One reading a second makes a token of each candidate.
    expect(slowMemory?.tokensPerSecond.bound).toBeCloseTo(4, 6);
    expect(slowMemory?.picturesPerHour).toBeCloseTo((4 * 3600) / 16, 2);
    expect(slowMemory?.dollarsPerThousand).toBeCloseTo((1000 * 3) / ((4 * 3600) / 16), 4);
    const [slowArithmetic] = decodingSpeeds(plan, { bandwidth: 1e15, flops: plan.flopsPerToken }, 0);
    expect(slowArithmetic?.tokensPerSecond.bound).toBeCloseTo(1, 6);
    expect(decodingSpeeds(plan, {}, 0)).toEqual([]);
  });
});

describe('tesserae plan', () => {
  it('plans 12 billion parameters without making one', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const { code, stdout } = await runCommand(['plan', '--preset', 'dalle-12b', '--flops', '100T', '--bandwidth', '1.5T', '--dollars-per-hour', '2']);
    expect(code).toBe(0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64e6);
    expect(stdout).toContain(`Parameters: ${(12_293_853_056).toLocaleString('en')}`);
    expect(stdout).toMatch(/convolutional, 1 layer/);
    expect(stdout.split('\n').length).toBeGreaterThan(40);
  });

  it('takes the sizes that train takes, as JSON too', async () => {
    const { code, stdout } = await runCommand(['plan', '--width', '64', '--layers', '2', '--heads', '4', '--attention', 'paper', '--batch', '3', '--updates', '7', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      prior: { configuration: { width: 64, layers: 2, attention: 'paper', grid: { rows: 8, columns: 8 } }, training: { batch: 3, updates: 7, tokens: 3 * (32 + 64) } },
      imageTokenizer: { kind: 'dvae' },
    });
  });

  it.each([
    [['--preset', 'dalle-3'], /use dalle-12b/],
    [['--preset', 'mindalle', '--width', '8'], /Plan one thing/],
    [['--flops', '0'], /above 0/],
    [['--flops', 'fast'], /200G/],
    [['--optimizer', 'sgd'], /adamw or muon/],
  ])('refuses %j', async (words, message) => {
    const { code, stderr } = await runCommand(['plan', ...words]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
