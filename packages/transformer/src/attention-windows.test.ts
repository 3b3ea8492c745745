import { deriveKey, float32Array, gradients, type HostArray, keyFromSeed, multiply, normalArray, reduceSum, sizeOf, trace, uniformInteger } from '@tesserae/core';
import { arrayError } from '@tesserae/core/conformance';
import { describe, expect, it } from 'vitest';
import { engines } from '../../backend-onnx/src/__fixtures__/engines.js';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { imagePattern } from './attention-patterns.js';
import { scoresSaved, windowBias, windowsOf } from './attention-windows.js';
import { declareCondition } from './condition.js';
import { type AttentionPattern, imageLengthOf, type PriorConfiguration, parsePriorConfiguration, patternNames, prefixLengthOf } from './configuration.js';
import { type AttentionPath, jointAttention } from './joint-attention.js';

const patterns = (Object.keys(patternNames) as AttentionPattern[]).filter((pattern) => pattern !== 'full');
const key = keyFromSeed(4);
const batch = 2;

interface Shape {
  readonly configuration: PriorConfiguration;
  readonly imageTokens: number;
}

/** One layer of any pattern on any small grid: square or not, of one row or one column, shorter than a window, and cut anywhere. */
function shapeOf(seed: number, pattern: AttentionPattern): Shape {
  const draw = (name: string, below: number): number => uniformInteger(deriveKey(key, name), below, seed);
  const kernels = [undefined, 1, 3, 5];
  const kernel = kernels[draw('kernel', kernels.length)];
  const hidden = draw('condition', 3) === 0;
  const grid = { rows: 1 + draw('rows', 5), columns: 1 + draw('columns', 5) };
  const configuration = parsePriorConfiguration({
    ...tinyConfiguration,
    layers: 1,
    textLength: 1 + draw('text', 3),
    grid,
    attention: [pattern],
    block: { stable: draw('stable', 2) === 1 },
    ...(kernel === undefined ? {} : { convolutionKernel: kernel }),
    ...(hidden ? { condition: { kind: 'features', width: 2 }, textVocabularySize: 0 } : {}),
  });
  return { configuration, imageTokens: 1 + draw('tokens', imageLengthOf(configuration)) };
}

/** What attention gives with queries `sharpness` times as long, and the gradients of a weighted sum of it. */
async function attended({ configuration, imageTokens }: Shape, path: AttentionPath, engine: (typeof engines)[number], sharpness = 1): Promise<Record<string, HostArray>> {
  const { heads, width, textLength } = configuration;
  const shape = [batch, heads, prefixLengthOf(configuration) + imageTokens, width / heads];
  const scaleOf = (name: string): number => (name === 'queries' ? sharpness : 1);
  const values = (name: string): HostArray =>
    float32Array(
      shape,
      normalArray(deriveKey(key, name), sizeOf(shape)).map((value) => scaleOf(name) * value),
    );
  const hasFeatures = configuration.condition?.kind === 'features';
  const graph = trace('attention', (scope) => {
    const [queries, keys, own, weights] = ['queries', 'keys', 'values', 'weights'].map((name) => scope.input(name, shape));
    if (queries === undefined || keys === undefined || own === undefined || weights === undefined) throw new Error('four inputs were asked for');
    const { features } = declareCondition(scope, configuration, batch);
    const made = jointAttention(scope, configuration, features, imageTokens, path)(queries, { keys, values: own }, 0);
    scope.output('attended', made);
    const pulled = gradients(reduceSum(multiply(made, weights)), [queries, keys, own]);
    pulled.forEach((gradient, index) => scope.output(`gradient of ${['queries', 'keys', 'values'][index]}`, gradient));
  });
  const backend = await engine.open();
  const program = await backend.compile(graph);
  try {
    return await program.run({
      ...Object.fromEntries(['queries', 'keys', 'values', 'weights'].map((name) => [name, values(name)])),
      ...(hasFeatures
        ? {
            features: float32Array([batch, textLength, 2], new Float32Array(batch * textLength * 2)),
            featuresGiven: { dtype: 'bool', shape: [batch], data: Uint8Array.of(1, 1) },
            // Of the second example nothing is seen.
            featuresMask: {
              dtype: 'bool',
              shape: [batch, textLength],
              data: Uint8Array.from({ length: batch * textLength }, (_, at) => (at < textLength && at % 2 === 0 ? 1 : 0)),
            },
          }
        : { text: { dtype: 'int32', shape: [batch, textLength], data: new Int32Array(batch * textLength) } }),
    } as Record<string, HostArray>);
  } finally {
    program.dispose();
    await backend.dispose();
  }
}

describe('windows', () => {
  it('hold every key of the pattern, each once', () => {
    for (const pattern of patterns) {
      for (let seed = 0; seed < 40; seed += 1) {
        const { configuration, imageTokens } = shapeOf(seed, pattern);
        const windows = windowsOf(pattern, configuration, imageTokens);
        if (windows === undefined) throw new Error(`${pattern} has no windows`);
        const { blocks, size, reach } = windows;
        const bias = windowBias(pattern, configuration, windows).data;
        const looks = imagePattern(pattern, configuration);
        const seen = bias.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
        let expected = 0;
        for (let query = 0; query < imageTokens; query += 1) for (let other = 0; other <= query; other += 1) expected += looks(query, other) ? 1 : 0;
        expect(seen, `${pattern} ${seed}`).toBe(expected);
        expect(bias).toHaveLength(blocks * size * (reach + size));
      }
    }
  });

  it('cost the paper’s grid a third of the scores or less', () => {
    const paper = { grid: { rows: 32, columns: 32 } };
    const saved = patterns.map((pattern) => {
      const windows = windowsOf(pattern, paper, 1023);
      return [pattern, windows === undefined ? 0 : Math.round(10 * scoresSaved(257, 1023, windows)) / 10];
    });
    expect(Object.fromEntries(saved)).toEqual({ row: 4.2, column: 4.5, convolutional: 3.1, axialRow: 4.2, axialColumn: 4.5, convLike: 3.3, neighbourhood: 3.1 });
  });
});

describe('attention on windows', () => {
  const close = async (shape: Shape, engine: (typeof engines)[number], what: string, { sharpness = 1, tolerance = 2e-6 } = {}): Promise<void> => {
    const [masked, windowed] = [await attended(shape, 'masked', engine, sharpness), await attended(shape, 'windowed', engine, sharpness)];
    expect(Object.keys(windowed)).toHaveLength(4);
    for (const [name, value] of Object.entries(windowed)) {
      const truth = masked[name];
      if (truth === undefined) throw new Error(`no ${name}`);
      expect(arrayError(value, truth), `${name}, ${what}`).toBeLessThan(tolerance);
    }
  };

  it.each(patterns)('%s: gives values and gradients of the masked path, whatever the shape', async (pattern) => {
    for (let seed = 0; seed < 25; seed += 1) await close(shapeOf(seed, pattern), engines[0] as (typeof engines)[number], `shape ${seed}`);
  });

  it('gives the same on ONNX Runtime', async () => {
    for (const pattern of patterns) await close(shapeOf(3, pattern), engines[1] as (typeof engines)[number], pattern);
  });

  it('gives the same where text or picture outweighs the other by more than a number can tell', async () => {
    for (const engine of engines) for (let seed = 0; seed < 12; seed += 1) await close(shapeOf(seed, 'row'), engine, `shape ${seed}`, { sharpness: 200, tolerance: 3e-4 });
  });

  it('gives the same for so many scores that queries are cut into pieces, the last one shorter', async () => {
    const configuration = parsePriorConfiguration({ ...tinyConfiguration, layers: 1, textLength: 700, grid: { rows: 32, columns: 32 }, attention: ['row'] });
    await close({ configuration, imageTokens: 990 }, engines[1] as (typeof engines)[number], 'three pieces', { tolerance: 1e-5 });
  });
});
