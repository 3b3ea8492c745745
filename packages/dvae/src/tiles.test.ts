import type { Backend, Grid, HostArray } from '@tesserae/core';
import { initialiseParameters, int32Array, keyFromSeed, leavesOf, uniformInteger, weightsFromArrays } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { engines, openOnnx } from '../../backend-onnx/src/__fixtures__/engines.js';
import { computeWith } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { noisePicture, tinyDvae } from './__fixtures__/tiny-dvae.js';
import { tinyVqgan } from './__fixtures__/tiny-vqgan.js';
import { architectureOf, type ImageTokenizerConfiguration, imageTokenizerParameters } from './architectures.js';
import type { DvaeConfiguration } from './configuration.js';
import type { StridedDvaeConfiguration } from './strided/configuration.js';
import { cropCodes, tilesOf } from './tiles.js';
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

  /** Decoded pixels as floats `[3, height, width]`: bytes would hide small differences. */
  const decoded = async (codes: Int32Array, { rows, columns }: Grid): Promise<ArrayLike<number>> => {
    const { pixels } = await computeWith({ open: openOnnx }, weights, { codes: int32Array([1, rows, columns], codes) }, (scope, root) => {
      scope.output('pixels', decode(root, scope.input('codes', [1, rows, columns], 'int32')));
    });
    return pixels?.data ?? [];
  };

  it('reaches as far as it says, and no farther', async () => {
    const around = reach?.decode ?? 0;
    const columns = 2 * around + 5;
    const middle = around + 2;
    const before = await decoded(new Int32Array(columns), { rows: 1, columns });
    const after = await decoded(new Int32Array(columns).fill(5, middle, middle + 1), { rows: 1, columns });
    const width = columns * downsampling;
    const changed = Array.from({ length: columns }, (__, column) => column).filter((column) =>
      Array.from({ length: before.length }, (__, index) => index).some((index) => Math.floor((index % width) / downsampling) === column && before[index] !== after[index]),
    );
    expect(Math.min(...changed)).toBeGreaterThanOrEqual(middle - around);
    expect(Math.max(...changed)).toBeLessThanOrEqual(middle + around);
    expect(changed.length).toBeGreaterThan(1);
  });

  it('decodes every tile as it is in the whole picture, to 1e-4', async () => {
    const grid = { rows: 13, columns: 17 };
    const codes = someCodes(grid.rows * grid.columns, configuration.codebookSize);
    const whole = await decoded(codes, grid);
    const [height, width] = [grid.rows * downsampling, grid.columns * downsampling];
    /** The largest difference inside the tiles when each is given `around` codes beyond its own. */
    const differenceWith = async (around: number): Promise<number> => {
      let [largest, compared] = [0, 0];
      for (const row of tilesOf(grid.rows, 5, around)) {
        for (const column of tilesOf(grid.columns, 5, around)) {
          const size = { rows: row.windowEnd - row.windowStart, columns: column.windowEnd - column.windowStart };
          const window = await decoded(cropCodes(codes, grid.columns, [row.windowStart, row.windowEnd], [column.windowStart, column.windowEnd]), size);
          const [top, left] = [row.windowStart * downsampling, column.windowStart * downsampling];
          for (let channel = 0; channel < 3; channel += 1)
            for (let y = row.start * downsampling; y < row.end * downsampling; y += 1)
              for (let x = column.start * downsampling; x < column.end * downsampling; x += 1) {
                const inWindow = (channel * size.rows * downsampling + y - top) * size.columns * downsampling + x - left;
                largest = Math.max(largest, Math.abs((window[inWindow] ?? Number.POSITIVE_INFINITY) - (whole[(channel * height + y) * width + x] ?? 0)));
                compared += 1;
              }
        }
      }
      expect(compared).toBe(whole.length);
      return largest;
    };
    expect(await differenceWith(reach?.decode ?? 0)).toBeLessThan(1e-4);
    // Without its surroundings a tile is another: the test could fail.
    expect(await differenceWith(0)).toBeGreaterThan(1e-4);
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

it('takes a picture of 512×320 pixels in pieces no larger than a tile and what it looks at', async () => {
  const backend = await openOnnx();
  const largest = { pixels: 0, codes: 0 };
  const watched: Backend = {
    ...backend,
    compile(graph, options) {
      for (const { name, shape } of leavesOf(graph, 'input')) if (name === 'pixels' || name === 'codes') largest[name] = Math.max(largest[name], ...shape.slice(-2));
      return backend.compile(graph, options);
    },
  };
  const open = (on: Backend, tile?: number) =>
    createImageTokenizer({ configuration: tinyDvae, weights: weightsFromArrays(weightsOf(tinyDvae)), backend: on, ...(tile === undefined ? {} : { tile }) });
  const [tiled, whole] = [open(watched), open(backend, 1000)];
  const picture = noisePicture(512, 320, 1);
  const codes = await tiled.encode([picture]);
  expect(codes[0]).toHaveLength(256 * 160);
  expect(codes).toEqual(await whole.encode([picture]));
  const [again] = await tiled.decode(codes, { rows: 160, columns: 256 });
  const [expected] = await whole.decode(codes, { rows: 160, columns: 256 });
  expect(again).toMatchObject({ width: 512, height: 320 });
  expect(again?.data.every((value, index) => Math.abs(value - (expected?.data[index] ?? -9)) <= 1)).toBe(true);
  const { reach, downsampling } = architectureOf(tinyDvae);
  expect(largest).toEqual({ pixels: (64 + 2 * (reach?.encode ?? 0)) * downsampling, codes: 64 + 2 * (reach?.decode ?? 0) });
  tiled.dispose();
  whole.dispose();
  await backend.dispose();
});

describe('a VQGAN', () => {
  const configuration: ImageTokenizerConfiguration = tinyVqgan;

  it('takes rectangles and sizes it was not trained at, each as a whole', async () => {
    const weights = weightsOf(configuration);
    const grids: Int32Array[][] = [];
    const picture = noisePicture(24, 10, 3);
    for (const { open } of engines) {
      const backend = await open();
      const tokenizer = createImageTokenizer({ configuration, weights: weightsFromArrays(weights), backend });
      const codes = await tokenizer.encode([picture]);
      expect(codes[0]).toHaveLength(12 * 5);
      expect(await tokenizer.decode(codes, { rows: 5, columns: 12 })).toMatchObject([{ width: 24, height: 10 }]);
      await expect(tokenizer.encode([noisePicture(23, 10, 3)])).rejects.toMatchObject({ code: 'image-invalid', message: expect.stringContaining('23×10') });
      grids.push(codes);
      tokenizer.dispose();
      await backend.dispose();
    }
    expect(grids[1]).toEqual(grids[0]);
    expect(new Set(grids[0]?.[0]).size).toBeGreaterThan(1);
  });

  it('refuses a picture whose attention would not fit into memory', async () => {
    const backend = await openOnnx();
    const tokenizer = createImageTokenizer({ configuration, weights: weightsFromArrays(weightsOf(configuration)), backend });
    const refusal = { code: 'image-invalid', message: expect.stringContaining('200×200 places with each other, which takes 6 GiB') };
    await expect(tokenizer.encode([noisePicture(400, 400, 1)])).rejects.toMatchObject(refusal);
    await expect(tokenizer.decode([new Int32Array(200 * 200)], { rows: 200, columns: 200 })).rejects.toMatchObject(refusal);
    await backend.dispose();
  });

  it('cannot decode without seams, and says why', async () => {
    const backend = await openOnnx();
    const tokenizer = createImageTokenizer({ configuration, weights: weightsFromArrays(weightsOf(configuration)), backend, tile: 2 });
    await expect(tokenizer.decode([new Int32Array(16)], tokenizer.grid, { seamless: true })).rejects.toMatchObject({ code: 'invalid-argument' });
    // A tile size changes nothing: its norms see the whole picture.
    expect(await tokenizer.decode([new Int32Array(16)], tokenizer.grid)).toHaveLength(1);
    await backend.dispose();
  });
});
