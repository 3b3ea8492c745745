import type { HostArray } from '@tesserae/core';
import { initialiseParameters, int32Array, keyFromSeed, uniformInteger, weightsFromArrays } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { openOnnx } from '../../backend-onnx/src/__fixtures__/engines.js';
import { computeWith } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { noisePicture, tinyDvae } from './__fixtures__/tiny-dvae.js';
import { architectureOf, type ImageTokenizerConfiguration, imageTokenizerParameters } from './architectures.js';
import type { DvaeConfiguration } from './configuration.js';
import type { StridedDvaeConfiguration } from './strided/configuration.js';
import { tilesOf } from './tiles.js';
import { createImageTokenizer } from './tokenizer.js';

const threeGroups: DvaeConfiguration = { ...tinyDvae, imageSize: 16, groups: 3 };
const strided: StridedDvaeConfiguration = { kind: 'strided-dvae', imageSize: 16, channels: 3, codebookSize: 24, codeWidth: 8, layers: 2, residualBlocks: 1, hidden: 8 };
const deepStrided: StridedDvaeConfiguration = { ...strided, layers: 3, residualBlocks: 0, channels: 4 };
const configurations: readonly (readonly [string, ImageTokenizerConfiguration])[] = [
  ['a dVAE of two groups', tinyDvae],
  ['a dVAE of three groups', threeGroups],
  ['a strided dVAE with blocks', strided],
  ['a strided dVAE without', deepStrided],
];
const weightsOf = (configuration: ImageTokenizerConfiguration): Map<string, HostArray> => initialiseParameters(imageTokenizerParameters(configuration).values(), keyFromSeed(4));
const someCodes = (count: number, codebookSize: number): Int32Array => Int32Array.from({ length: count }, (_, index) => uniformInteger(keyFromSeed(9), codebookSize, index));

describe('tilesOf', () => {
  it('covers an axis once, with as much around each tile as there is', () => {
    expect(tilesOf(10, 4, 1)).toEqual([
      { start: 0, end: 4, windowStart: 0, windowEnd: 5 },
      { start: 4, end: 8, windowStart: 3, windowEnd: 9 },
      { start: 8, end: 10, windowStart: 7, windowEnd: 10 },
    ]);
    expect(tilesOf(4, 4, 3)).toEqual([{ start: 0, end: 4, windowStart: 0, windowEnd: 4 }]);
  });
});

describe.each(configurations)('%s', (_, configuration) => {
  const { downsampling, reach, pixels: decode } = architectureOf(configuration);
  const weights = weightsOf(configuration);

  it('reaches as far as it says, and no farther', async () => {
    const around = reach?.decode ?? 0;
    const columns = 2 * around + 5;
    const middle = around + 2;
    // Float pixels, not bytes: the farthest code changes them by little.
    const decoded = async (code: number): Promise<ArrayLike<number>> => {
      const codes = new Int32Array(columns);
      codes[middle] = code;
      const { pixels } = await computeWith({ open: openOnnx }, weights, { codes: int32Array([1, 1, columns], codes) }, (scope, root) => {
        scope.output('pixels', decode(root, scope.input('codes', [1, 1, columns], 'int32')));
      });
      return pixels?.data ?? [];
    };
    const [before, after] = [await decoded(0), await decoded(5)];
    const width = columns * downsampling;
    const changed = Array.from({ length: columns }, (__, column) => column).filter((column) =>
      Array.from({ length: before.length }, (__, index) => index).some((index) => Math.floor((index % width) / downsampling) === column && before[index] !== after[index]),
    );
    expect(Math.min(...changed)).toBeGreaterThanOrEqual(middle - around);
    expect(Math.max(...changed)).toBeLessThanOrEqual(middle + around);
    expect(changed.length).toBeGreaterThan(1);
  });

  it('gives a large picture the same codes in tiles as whole, and codes the same picture', async () => {
    const backend = await openOnnx();
    const open = (tile: number) => createImageTokenizer({ configuration, weights: weightsFromArrays(weights), backend, tile });
    const [whole, tiled] = [open(1000), open(5)];
    const grid = { rows: 13, columns: 17 };
    const picture = noisePicture(grid.columns * downsampling, grid.rows * downsampling, 1);
    const small = noisePicture(4 * downsampling, 4 * downsampling, 2);
    const expected = await whole.encode([small, picture, small]);
    expect(await tiled.encode([small, picture, small])).toEqual(expected);
    expect(new Set(expected[1]).size).toBeGreaterThan(3);
    const codes = someCodes(grid.rows * grid.columns, configuration.codebookSize);
    const [together] = await whole.decode([codes], grid);
    const [apart] = await tiled.decode([codes], grid);
    // Engines round sums of other lengths otherwise: a byte may tip, no more.
    expect(apart?.data).toHaveLength(together?.data.length ?? -1);
    apart?.data.forEach((value, index) => {
      expect(Math.abs(value - (together?.data[index] ?? -9))).toBeLessThanOrEqual(1);
    });
    whole.dispose();
    tiled.dispose();
    await backend.dispose();
  });

  it('decodes without seams: moving the codes around the torus moves the picture', async () => {
    const backend = await openOnnx();
    const tokenizer = createImageTokenizer({ configuration, weights: weightsFromArrays(weights), backend });
    const grid = { rows: 5, columns: 6 };
    const codes = someCodes(30, configuration.codebookSize);
    const moved = Int32Array.from(codes, (__, index) => codes[((Math.floor(index / 6) + 3) % 5) * 6 + (((index % 6) + 2) % 6)] ?? 0);
    const [first, second, seamed] = [...(await tokenizer.decode([codes, moved], grid, { seamless: true })), ...(await tokenizer.decode([codes], grid))];
    const [width, height] = [grid.columns * downsampling, grid.rows * downsampling];
    expect(first).toMatchObject({ width, height });
    let seams = 0;
    for (let y = 0; y < height; y += 1)
      for (let x = 0; x < width; x += 1)
        for (let channel = 0; channel < 3; channel += 1) {
          const from = first?.data[(((y + 3 * downsampling) % height) * width + ((x + 2 * downsampling) % width)) * 3 + channel] ?? -9;
          expect(Math.abs((second?.data[(y * width + x) * 3 + channel] ?? 0) - from)).toBeLessThanOrEqual(1);
          if (Math.abs((seamed?.data[(y * width + x) * 3 + channel] ?? 0) - (first?.data[(y * width + x) * 3 + channel] ?? 0)) > 1) seams += 1;
        }
    // Plain decoding differs: the test could fail.
    expect(seams).toBeGreaterThan(0);
    tokenizer.dispose();
    await backend.dispose();
  });
});

describe('a VQGAN', () => {
  it('cannot decode without seams, and says why', async () => {
    const configuration: ImageTokenizerConfiguration = {
      kind: 'vqgan',
      imageSize: 8,
      codebookSize: 8,
      codeWidth: 4,
      latentChannels: 4,
      hidden: 8,
      multipliers: [1, 1],
      blocksPerLevel: 1,
      attentionLevels: [],
      quantizer: 'nearest',
      normGroups: 2,
    };
    const backend = await openOnnx();
    const tokenizer = createImageTokenizer({ configuration, weights: weightsFromArrays(weightsOf(configuration)), backend, tile: 2 });
    await expect(tokenizer.decode([new Int32Array(16)], tokenizer.grid, { seamless: true })).rejects.toMatchObject({ code: 'invalid-argument' });
    // A tile size changes nothing: its norms see the whole picture.
    expect(await tokenizer.decode([new Int32Array(16)], tokenizer.grid)).toHaveLength(1);
    await backend.dispose();
  });
});
