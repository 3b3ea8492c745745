import type { Backend, ImageTokenizer, Picture } from '@tesserae/core';
import { leavesOf, weightsFromArrays } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { firstWeights, noisePicture, tinyDvae } from './__fixtures__/tiny-dvae.js';
import { createImageTokenizer, pictureFromPlanes, planarPixels } from './tokenizer.js';

function tokenizer(batch = 8): ImageTokenizer {
  return createImageTokenizer({ configuration: tinyDvae, weights: weightsFromArrays(firstWeights(tinyDvae)), backend: createReferenceBackend(), batch });
}

const pictures = Array.from({ length: 5 }, (_, index) => noisePicture(8, 8, index));

describe('createImageTokenizer', () => {
  it('says what it is', () => {
    expect(tokenizer()).toMatchObject({ specificationVersion: 'v1', codebookSize: 16, downsampling: 2, grid: { rows: 4, columns: 4 } });
  });

  it('gives a picture the same codes in a batch as alone, and codes the same picture', async () => {
    const alone: Int32Array[] = [];
    const again: Picture[] = [];
    const single = tokenizer(1);
    for (const picture of pictures) alone.push(...(await single.encode([picture])));
    for (const codes of alone) again.push(...(await single.decode([codes], single.grid)));
    for (const batch of [2, 5, 8]) {
      const together = tokenizer(batch);
      expect(await together.encode(pictures)).toEqual(alone);
      expect(await together.decode(alone, together.grid)).toEqual(again);
    }
    expect(new Set(alone.map(String)).size).toBe(5);
  });

  it('takes rectangles and mixed sizes, in order', async () => {
    const mixed = [noisePicture(8, 8, 0), noisePicture(12, 4, 1), noisePicture(12, 4, 2), noisePicture(4, 12, 3), noisePicture(8, 8, 4)];
    const codes = await tokenizer().encode(mixed);
    expect(codes.map((list) => list.length)).toEqual([16, 12, 12, 12, 16]);
    expect(codes[0]).toEqual((await tokenizer().encode([noisePicture(8, 8, 0)]))[0]);
    expect(codes[2]).toEqual((await tokenizer().encode([noisePicture(12, 4, 2)]))[0]);
    const [wide] = await tokenizer().decode(codes.slice(1, 2), { rows: 2, columns: 6 });
    expect(wide).toMatchObject({ width: 12, height: 4 });
    expect(wide?.data).toHaveLength(12 * 4 * 3);
  });

  it('works on fewer pictures at once the larger they are', async () => {
    const backend = createReferenceBackend();
    const batches: number[] = [];
    const watched: Backend = {
      ...backend,
      compile(graph, options) {
        for (const { shape } of leavesOf(graph, 'input')) batches.push(shape[0] ?? 0);
        return backend.compile(graph, options);
      },
    };
    const four = createImageTokenizer({ configuration: tinyDvae, weights: weightsFromArrays(firstWeights(tinyDvae)), backend: watched, batch: 4 });
    // Trained at 8×8: four of those, or two of 16×8, or one that is larger than all four.
    for (const width of [4, 8, 16, 40]) await four.encode(Array.from({ length: 5 }, (_, index) => noisePicture(width, 8, index)));
    await four.decode([new Int32Array(32), new Int32Array(32), new Int32Array(32)], { rows: 4, columns: 8 });
    expect(batches).toEqual([4, 1, 4, 1, 2, 1, 1, 2, 1]);
  });

  it('takes nothing', async () => {
    expect(await tokenizer().encode([])).toEqual([]);
    expect(await tokenizer().decode([], { rows: 4, columns: 4 })).toEqual([]);
  });

  it.each([
    [7, 8],
    [8, 9],
    [0, 8],
  ])('refuses pictures of %i×%i pixels', async (width, height) => {
    await expect(tokenizer().encode([noisePicture(width, height, 1)])).rejects.toMatchObject({ code: 'image-invalid' });
  });

  it.each([-1, 16])('refuses code %i of a codebook of 16', async (code) => {
    await expect(tokenizer().decode([Int32Array.of(0, 1, 2, code)], { rows: 2, columns: 2 })).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('refuses codes that do not fill the grid', async () => {
    await expect(tokenizer().decode([new Int32Array(5)], { rows: 2, columns: 2 })).rejects.toMatchObject({ code: 'shape-mismatch' });
  });

  it('stops for a signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(tokenizer().encode(pictures, { signal })).rejects.toThrow('enough');
    await expect(tokenizer().decode([new Int32Array(16)], { rows: 4, columns: 4 }, { signal })).rejects.toThrow('enough');
  });
});

describe('planes', () => {
  it('hold a picture’s bytes exactly', () => {
    const picture = noisePicture(5, 3, 11);
    const planes = new Float32Array(7 + 45);
    planarPixels(picture.data, planes, 7);
    expect(planes[7]).toBeCloseTo((picture.data[0] ?? 0) / 255, 6);
    expect(planes[7 + 15]).toBeCloseTo((picture.data[1] ?? 0) / 255, 6);
    expect(pictureFromPlanes(planes, 7, 5, 3)).toEqual(picture);
  });
});
