import { createGenerator, type SamplingPlugin } from '@tesserae/core';
import { mockImageTokenizer, mockPrior, mockScorer, mockTextTokenizer } from '@tesserae/core/test';
import { describe, expect, it } from 'vitest';
import { imagePrefix, priorEvidence, rerank, tiling } from './index.js';
import { windowPlaces } from './tiling/windows.js';

const grid = { rows: 4, columns: 4 };
const codebookSize = 16;
const sum = (codes: Int32Array): number => codes.reduce((total, code) => total + code, 0);

function generatorWith(plugins: readonly SamplingPlugin[], maximumBatch = 3) {
  const prior = mockPrior({ grid, codebookSize, maximumBatch });
  const imageTokenizer = mockImageTokenizer({ grid, codebookSize });
  return { prior, imageTokenizer, generator: createGenerator({ prior, imageTokenizer, textTokenizer: mockTextTokenizer(), plugins }) };
}

describe('rerank', () => {
  it('keeps the best of the oversampled candidates, best first, with their scores', async () => {
    const all = await generatorWith([]).generator.generate({ prompt: 'a', seed: 5, candidates: 8 });
    const best = await generatorWith([rerank({ scorer: mockScorer(sum), oversample: 4 })]).generator.generate({ prompt: 'a', seed: 5, candidates: 2 });
    const expected = [...all.images].sort((a, b) => sum(b.codes) - sum(a.codes) || a.candidate - b.candidate).slice(0, 2);
    expect(best.images.map((image) => image.candidate)).toEqual(expected.map((image) => image.candidate));
    expect(best.images.map((image) => image.score)).toEqual(expected.map((image) => sum(image.codes)));
  });

  it('keeps the order of the candidates among equals, and ranks NaN last', async () => {
    const equal = await generatorWith([rerank({ scorer: mockScorer(() => 1), oversample: 3 })]).generator.generate({ prompt: 'a', seed: 5, candidates: 2 });
    expect(equal.images.map((image) => image.candidate)).toEqual([0, 1]);
    let call = 0;
    const scorer = mockScorer(() => (call++ === 0 ? Number.NaN : 0));
    const odd = await generatorWith([rerank({ scorer, oversample: 2 })]).generator.generate({ prompt: 'a', seed: 5, candidates: 1 });
    expect(odd.images[0]?.candidate).toBe(1);
  });

  it('scores by the prior: log p with the text minus log p without', async () => {
    const { prior, generator } = generatorWith([]);
    const { images } = await generator.generate({ prompt: 'abc', seed: 1, candidates: 2 });
    const scores = await priorEvidence(prior, mockTextTokenizer()).score('abc', images);
    expect(Array.from(scores)).toEqual(images.map((image) => 3 * sum(image.codes)));
    const texts = ['abc', ''].map((text) => mockTextTokenizer().encode(text));
    const [withText = [], without = []] = await Promise.all(
      texts.map(async (ids) => [
        ...(await prior.logProbability(
          [ids, ids],
          images.map(({ codes }) => codes),
        )),
      ]),
    );
    for (const weight of [0, 0.5]) {
      const weighed = await priorEvidence(prior, mockTextTokenizer(), { emptyTextWeight: weight }).score('abc', images);
      expect(Array.from(weighed)).toEqual(withText.map((value, index) => value - weight * (without[index] ?? 0)));
    }
  });

  it('refuses an impossible oversample', () => {
    expect(() => rerank({ scorer: mockScorer(sum), oversample: 0 })).toThrow(/oversample 0/);
  });
});

describe('image-prefix', () => {
  it('keeps the top rows exactly and makes the rest, the same for every candidate number', async () => {
    const { imageTokenizer, generator } = generatorWith([]);
    const [given] = (await generator.generate({ prompt: 'a', seed: 9 })).images;
    if (given === undefined) throw new Error('no picture');
    const { generator: prefixed } = generatorWith([imagePrefix({ picture: given.picture, rows: 3 })]);
    const result = await prefixed.generate({ prompt: 'a', seed: 10, candidates: 4 });
    for (const image of result.images) {
      expect(image.codes.subarray(0, 12)).toEqual(given.codes.subarray(0, 12));
      expect(image.codes.subarray(12)).not.toEqual(given.codes.subarray(12));
    }
    expect((await imageTokenizer.encode([given.picture]))[0]).toEqual(given.codes);
  });

  it('says which picture size and how many rows are possible', async () => {
    const small = { width: 2, height: 2, data: new Uint8Array(12) };
    await expect(generatorWith([imagePrefix({ picture: small })]).generator.generate({ prompt: 'a' })).rejects.toThrow(/2×2 pixels, the model makes 8×8/);
    const whole = { width: 8, height: 8, data: new Uint8Array(192) };
    for (const rows of [4, 0, -1, 1.5, Number.NaN]) {
      await expect(generatorWith([imagePrefix({ picture: whole, rows })]).generator.generate({ prompt: 'a' })).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining('Keep 1 to 3'),
      });
    }
  });
});

describe('tiling', () => {
  it('covers the canvas, windows ending at its edges', () => {
    const places = windowPlaces({ rows: 9, columns: 4 }, grid, 2);
    expect(places).toEqual([
      { row: 0, column: 0 },
      { row: 2, column: 0 },
      { row: 4, column: 0 },
      { row: 5, column: 0 },
    ]);
  });

  it('makes a canvas of any size whose overlaps are known to the next window', async () => {
    const canvas = { rows: 6, columns: 10 };
    const { prior, generator } = generatorWith([tiling({ canvas, overlap: 2 })]);
    const { images } = await generator.generate({ prompt: 'a', seed: 3, candidates: 2 });
    expect(images).toHaveLength(2);
    for (const image of images) {
      expect([image.picture.width, image.picture.height]).toEqual([20, 12]);
      expect(image.codes.every((code) => code >= 0 && code < codebookSize)).toBe(true);
    }
    const places = windowPlaces(canvas, grid, 2);
    expect(prior.requests).toHaveLength(places.length);
    // Every window but the first knows what lies under it already, and keeps it.
    places.forEach((place, index) => {
      const known = prior.requests[index]?.known[0] ?? new Int32Array(0);
      expect(known.some((token) => token >= 0)).toBe(index > 0);
      known.forEach((token, at) => {
        const onCanvas = images[0]?.codes[(place.row + Math.floor(at / 4)) * canvas.columns + place.column + (at % 4)];
        if (token >= 0) expect(onCanvas).toBe(token);
      });
    });
  });

  it('is the model itself on a canvas of its own size, and works inside rerank', async () => {
    const plain = await generatorWith([]).generator.generate({ prompt: 'a', seed: 3 });
    const tiled = await generatorWith([tiling({ canvas: grid })]).generator.generate({ prompt: 'a', seed: 3 });
    expect(tiled.images[0]?.codes).toEqual(plain.images[0]?.codes);
    const both = await generatorWith([rerank({ scorer: mockScorer(sum), oversample: 3 }), tiling({ canvas: { rows: 6, columns: 4 } })]).generator.generate({
      prompt: 'a',
      seed: 3,
    });
    expect(both.images).toHaveLength(1);
    expect(both.images[0]?.codes).toHaveLength(24);
  });

  it('refuses canvases that are too small and overlaps that are too large', async () => {
    await expect(generatorWith([tiling({ canvas: { rows: 3, columns: 4 } })]).generator.generate({ prompt: 'a' })).rejects.toThrow(/smaller than the model's 4×4/);
    await expect(generatorWith([tiling({ canvas: { rows: 8, columns: 8 }, overlap: 4 })]).generator.generate({ prompt: 'a' })).rejects.toThrow(/Use 0 to 3/);
  });
});

describe('candidates', () => {
  it('are the same in any batch, with any total, with or without rerank', async () => {
    const many = (await generatorWith([], 5).generator.generate({ prompt: 'a', seed: 77, candidates: 12 })).images;
    const few = (await generatorWith([], 1).generator.generate({ prompt: 'a', seed: 77, candidates: 4 })).images;
    const later = (await generatorWith([], 4).generator.generate({ prompt: 'a', seed: 77, candidates: 3, firstCandidate: 7 })).images;
    const ranked = (await generatorWith([rerank({ scorer: mockScorer(sum), oversample: 4 })], 4).generator.generate({ prompt: 'a', seed: 77, candidates: 3 })).images;
    for (const image of [...few, ...later, ...ranked]) expect(image.codes).toEqual(many[image.candidate]?.codes);
  });
});
