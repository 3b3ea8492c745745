import { describe, expect, it } from 'vitest';
import { halfExtents } from './outlines.js';
import { type SceneExample, sampleExample, sampleScene } from './sample.js';
import { type Split, splits } from './scene.js';
import { backgrounds, colours, isHeldOut, places, relations, shapes, sizes } from './vocabulary.js';

function examples(split: Split, count: number, seed = 0): readonly SceneExample[] {
  return Array.from({ length: count }, (_, index) => sampleExample(seed, split, index));
}

describe('sampleExample', () => {
  it('depends on seed, split and index only', () => {
    const inOrder = examples('train', 20, 7);
    const backwards = Array.from({ length: 20 }, (_, index) => sampleExample(7, 'train', 19 - index)).reverse();
    expect(backwards).toEqual(inOrder);
    expect(sampleScene(7, 'train', 3)).toEqual(inOrder[3]?.scene);
    expect(examples('train', 20, 8)).not.toEqual(inOrder);
    expect(examples('validation', 20, 7)).not.toEqual(inOrder);
  });

  it('is the same scene in every version', () => {
    expect(sampleExample(0, 'train', 0).caption).toMatchInlineSnapshot(`"a blue circle in the top left corner, beige background"`);
    expect(sampleExample(1, 'zeroshot', 123_456).caption).toMatchInlineSnapshot(`"a pink ring in the top left corner, gray background"`);
    expect(sampleScene(0, 'validation', 1)).toMatchInlineSnapshot(`
      {
        "background": "gray",
        "kind": "two",
        "objects": [
          {
            "angle": 4.8243608474731445,
            "colour": "blue",
            "extent": 17.699143648147583,
            "shape": "triangle",
            "size": "small",
            "x": 17.109143137931824,
            "y": 30.847290635108948,
          },
          {
            "angle": 2.996457099914551,
            "colour": "green",
            "extent": 26.698935627937317,
            "shape": "square",
            "size": "large",
            "x": 46.35240662097931,
            "y": 33.55099165439606,
          },
        ],
        "relation": "left",
      }
    `);
  });

  it('never shows a held-out pair in train and validation', () => {
    for (const split of ['train', 'validation'] as const) {
      for (const { scene } of examples(split, 2000)) {
        if (scene.objects.some(({ colour, shape }) => isHeldOut(colour, shape))) expect(scene.objects).toEqual('without held-out pairs');
      }
    }
  });

  it('always shows a held-out pair in zeroshot, and all eight of them in time', () => {
    const seen = new Set<string>();
    for (const { scene } of examples('zeroshot', 1000)) {
      const heldOut = scene.objects.filter(({ colour, shape }) => isHeldOut(colour, shape));
      expect(heldOut.length).toBeGreaterThan(0);
      for (const { colour, shape } of heldOut) seen.add(`${colour} ${shape}`);
    }
    expect(seen.size).toBe(8);
  });

  it('uses every word, and one object as often as two', () => {
    const scenes = examples('train', 2000).map(({ scene }) => scene);
    const objects = scenes.flatMap((scene) => scene.objects);
    expect(new Set(scenes.map((scene) => scene.background)).size).toBe(backgrounds.length);
    expect(new Set(objects.map(({ colour, shape }) => `${colour} ${shape}`)).size).toBe(colours.length * shapes.length - 8);
    expect(new Set(objects.map(({ size }) => size)).size).toBe(sizes.length);
    expect(new Set(scenes.map((scene) => (scene.kind === 'one' ? scene.place : scene.relation))).size).toBe(places.length + relations.length);
    const ones = scenes.filter(({ kind }) => kind === 'one').length;
    expect(ones).toBeGreaterThan(900);
    expect(ones).toBeLessThan(1100);
  });

  it('keeps every object inside the picture, in its size and its place', () => {
    for (const { scene } of splits.flatMap((split) => examples(split, 500))) {
      for (const { shape, size, x, y, extent, angle } of scene.objects) {
        const half = halfExtents(shape, extent, angle);
        expect(Math.min(x - half.x, y - half.y)).toBeGreaterThanOrEqual(1.5 - 1e-9);
        expect(Math.max(x + half.x, y + half.y)).toBeLessThanOrEqual(62.5 + 1e-9);
        expect(Math.abs(angle)).toBeLessThanOrEqual(8);
        expect(extent).toBeGreaterThanOrEqual(size === 'small' ? 14 : scene.kind === 'one' ? 26 : 23);
        expect(extent).toBeLessThanOrEqual(size === 'small' ? 18 : scene.kind === 'one' ? 34 : 28);
      }
      if (scene.kind === 'one') {
        const [{ x, y }] = scene.objects;
        const across = x < 25 ? ' left' : x > 39 ? ' right' : '';
        const down = y < 25 ? 'top' : y > 39 ? 'bottom' : '';
        expect(`${down}${across}` || 'centre').toBe(scene.place);
      }
    }
  });

  it('leaves a gap of three pixels between two objects, which stand as the relation says and are not alike', () => {
    for (const split of splits) {
      for (let index = 0; index < 500; index += 1) {
        const scene = sampleScene(0, split, index, { kind: 'two' });
        if (scene.kind !== 'two') throw new Error('A scene with two objects was asked for.');
        const [first, second] = scene.objects;
        const [one, other] = scene.relation === 'above' || scene.relation === 'left' ? [first, second] : [second, first];
        const along = scene.relation === 'above' || scene.relation === 'below' ? 'y' : 'x';
        const gap = other[along] - halfExtents(other.shape, other.extent, other.angle)[along] - one[along] - halfExtents(one.shape, one.extent, one.angle)[along];
        expect(gap).toBeGreaterThanOrEqual(3 - 1e-9);
        expect(`${first.colour} ${first.shape}`).not.toBe(`${second.colour} ${second.shape}`);
      }
    }
  });

  it('refuses what is no split, seed or index', () => {
    expect(() => sampleExample(0.5, 'train', 0)).toThrowError(expect.objectContaining({ code: 'invalid-argument' }));
    expect(() => sampleExample(0, 'train', -1)).toThrowError(expect.objectContaining({ code: 'invalid-argument' }));
    expect(() => sampleExample(0, 'test' as Split, 0)).toThrowError(expect.objectContaining({ code: 'invalid-argument' }));
  });
});
