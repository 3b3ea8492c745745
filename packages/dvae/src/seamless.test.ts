import { type HostArray, initialiseParameters, int32Array, keyFromSeed, type Picture, reduceMean, square, weightsFromArrays } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { openOnnx } from '../../backend-onnx/src/__fixtures__/engines.js';
import { largestDifference, lossGradients } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { noisePicture, tinyDvae } from './__fixtures__/tiny-dvae.js';
import { architectureOf, type ImageTokenizerConfiguration, imageTokenizerParameters, parseImageTokenizerConfiguration } from './architectures.js';
import { createImageTokenizer } from './tokenizer.js';

const { kind: _, ...shape } = tinyDvae;
const vqgan = {
  kind: 'vqgan',
  imageSize: 16,
  codebookSize: 24,
  codeWidth: 4,
  latentChannels: 4,
  hidden: 8,
  multipliers: [1, 1, 2],
  blocksPerLevel: 1,
  attentionLevels: [2],
  quantizer: 'nearest',
  normGroups: 2,
} as const;
const configurations: readonly (readonly [string, ImageTokenizerConfiguration])[] = [
  ['dVAE', { kind: 'dvae', ...shape, imageSize: 16, groups: 3 }],
  ['VQ-VAE', { kind: 'vq-vae', ...shape, imageSize: 16, groups: 3, quantizer: 'nearest' }],
  ['strided dVAE', { kind: 'strided-dvae', imageSize: 16, channels: 3, codebookSize: 24, codeWidth: 8, layers: 2, residualBlocks: 1, hidden: 8 }],
  ['VQGAN', vqgan],
];

/** The picture moved around the torus by whole codes. */
function moved({ width, height, data }: Picture, down: number, right: number): Picture {
  const result = new Uint8Array(data.length);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const from = (y * width + x) * 3;
      result.set(data.subarray(from, from + 3), (((y + down) % height) * width + ((x + right) % width)) * 3);
    }
  return { width, height, data: result };
}

function bytesApart(a: Picture | undefined, b: Picture | undefined): number {
  return largestDifference(a?.data, b?.data ?? []);
}

describe.each(configurations)('a seamless %s', (_name, plain) => {
  const configuration: ImageTokenizerConfiguration = { ...plain, seamless: true };
  const weights: Map<string, HostArray> = initialiseParameters(imageTokenizerParameters(configuration).values(), keyFromSeed(4));
  const { downsampling } = architectureOf(configuration);

  it('has the weights of a plain one, and comes back from JSON', () => {
    expect([...imageTokenizerParameters(configuration)]).toEqual([...imageTokenizerParameters(plain)]);
    expect(parseImageTokenizerConfiguration(JSON.parse(JSON.stringify(configuration)))).toEqual(configuration);
    expect(() => parseImageTokenizerConfiguration({ ...configuration, seamless: 'yes' })).toThrow(/seamless: "yes"/);
  });

  it('gives a moved picture the moved codes and the moved reconstruction; a plain one does not', async () => {
    const backend = await openOnnx();
    const picture = noisePicture(6 * downsampling, 5 * downsampling, 7);
    const grid = { rows: 5, columns: 6 };
    const [down, right] = [2 * downsampling, downsampling];
    const apart = async (of: ImageTokenizerConfiguration): Promise<{ readonly codes: number; readonly pixels: number }> => {
      const tokenizer = createImageTokenizer({ configuration: of, weights: weightsFromArrays(weights), backend });
      const [codes = new Int32Array(), movedCodes = new Int32Array()] = [...(await tokenizer.encode([picture])), ...(await tokenizer.encode([moved(picture, down, right)]))];
      const expected = Int32Array.from(codes, (_code, index) => codes[((Math.floor(index / 6) + 3) % 5) * 6 + ((index + 5) % 6)] ?? -1);
      const [again, movedAgain] = await tokenizer.decode([codes, movedCodes], grid);
      tokenizer.dispose();
      return { codes: movedCodes.filter((code, index) => code !== expected[index]).length, pixels: again === undefined ? 999 : bytesApart(movedAgain, moved(again, down, right)) };
    };
    const seamless = await apart(configuration);
    expect(seamless.codes).toBe(0);
    expect(seamless.pixels).toBeLessThanOrEqual(1);
    expect((await apart(plain)).pixels).toBeGreaterThan(1);
    await backend.dispose();
  });

  it('gives in tiles what it gives whole', async () => {
    const backend = await openOnnx();
    const open = (tile: number) => createImageTokenizer({ configuration, weights: weightsFromArrays(weights), backend, tile });
    const [whole, tiled] = [open(1000), open(5)];
    const grid = { rows: 6, columns: 7 };
    const picture = noisePicture(grid.columns * downsampling, grid.rows * downsampling, 1);
    const [codes = new Int32Array()] = await whole.encode([picture]);
    expect(await tiled.encode([picture])).toEqual([codes]);
    const [together] = await whole.decode([codes], grid);
    const [apart] = await tiled.decode([codes], grid);
    expect(bytesApart(apart, together)).toBeLessThanOrEqual(1);
    // What it always does can also be asked for.
    expect(bytesApart((await whole.decode([codes], grid, { seamless: true }))[0], together)).toBeLessThanOrEqual(1);
    whole.dispose();
    tiled.dispose();
    await backend.dispose();
  });

  it('has gradients for every weight of its decoder', async () => {
    const { pixels: decode } = architectureOf(configuration);
    const codes = int32Array(
      [1, 4, 4],
      Int32Array.from({ length: 16 }, (_code, index) => index % 7),
    );
    const { gradients } = await lossGradients({ open: openOnnx }, weights, { codes }, (scope, root) => reduceMean(square(decode(root, scope.input('codes', [1, 4, 4], 'int32')))));
    for (const [name, { data }] of gradients)
      if (name.startsWith('decoder') && name.endsWith('weight'))
        expect(
          data.some((value) => value !== 0),
          name,
        ).toBe(true);
    expect(gradients.size).toBeGreaterThan(5);
  });
});
