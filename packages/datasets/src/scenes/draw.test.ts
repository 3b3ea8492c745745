import { describe, expect, it } from 'vitest';
import { coverage, drawScene } from './draw.js';
import { halfExtents, placedOutlines } from './outlines.js';
import { sampleScene } from './sample.js';
import type { OneObjectScene, SceneObject } from './scene.js';
import { backgroundValues, colourValues, type Shape, shapes } from './vocabulary.js';

function sum(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function oneObject(object: Partial<SceneObject> = {}): OneObjectScene {
  return { kind: 'one', background: 'white', place: 'centre', objects: [{ colour: 'red', shape: 'circle', size: 'large', x: 32, y: 32, extent: 30, angle: 0, ...object }] };
}

/** Areas when the larger side of the bounding box is 2. The heart's and the star's follow from their formulas. */
const areas: { readonly [Name in Exclude<Shape, 'heart'>]: number } = {
  circle: Math.PI,
  square: 4,
  triangle: Math.sqrt(3),
  star: (5 * 0.45 * Math.sin(Math.PI / 5)) / Math.sin((2 * Math.PI) / 5) ** 2,
  cross: 4 * 0.36 * (2 - 0.36),
  diamond: 2 * 0.72,
  ring: Math.PI * (1 - 0.52 ** 2),
};

describe('coverage', () => {
  it.each(Object.entries(areas))('of a %s adds up to its area, wherever it lies and however it is turned', (shape, area) => {
    for (const [x, y, extent, angle] of [
      [32, 32, 30, 0],
      [20.3, 25.7, 14, 0],
      [31.4, 30.1, 33.3, 8],
      [40.9, 22.2, 17.1, -5.5],
    ] as const) {
      const covered = coverage(placedOutlines(shape as Shape, x, y, extent, angle), 64, 64);
      const wanted = area * (extent / 2) ** 2;
      expect(Math.abs(sum(covered) / wanted - 1)).toBeLessThan(0.01);
      expect(Math.max(...covered)).toBeLessThanOrEqual(1 + 1e-5);
      expect(Math.min(...covered)).toBe(0);
    }
  });

  it('is exact for rectangles on eighths of a pixel', () => {
    const covered = coverage(
      [
        [
          [1.25, 0.5],
          [3, 0.5],
          [3, 2],
          [1.25, 2],
        ],
      ],
      4,
      3,
    );
    expect([...covered]).toEqual([0, 0.375, 0.5, 0, 0, 0.75, 1, 0, 0, 0, 0, 0]);
  });

  it('leaves out what lies outside the picture', () => {
    expect(sum(coverage(placedOutlines('square', 0, 0, 20, 0), 64, 64))).toBeCloseTo(100, 3);
    expect(sum(coverage(placedOutlines('square', -40, 20, 20, 0), 64, 64))).toBe(0);
  });
});

describe('outlines', () => {
  it.each(shapes)('of a %s span exactly the extent, centred', (shape) => {
    const points = placedOutlines(shape, 10, 20, 8, 0).flat();
    const across = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))] as const;
    const down = [Math.min(...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y))] as const;
    expect(Math.max(across[1] - across[0], down[1] - down[0])).toBeCloseTo(8, 1);
    expect((across[0] + across[1]) / 2).toBeCloseTo(10, 2);
    expect((down[0] + down[1]) / 2).toBeCloseTo(20, 2);
    expect(Math.max(halfExtents(shape, 8, 0).x, halfExtents(shape, 8, 0).y)).toBeCloseTo(4, 1);
  });
});

describe('drawScene', () => {
  const pixelAt = (scene: OneObjectScene, x: number, y: number, size = 64): number[] => [...drawScene(scene, size).data.subarray((y * size + x) * 3, (y * size + x) * 3 + 3)];

  it('fills background and objects with their colours', () => {
    const scene = oneObject({ shape: 'square', extent: 20 });
    expect(pixelAt(scene, 0, 0)).toEqual(backgroundValues.white);
    expect(pixelAt(scene, 32, 32)).toEqual(colourValues.red);
    expect(pixelAt(scene, 22, 22)).toEqual(colourValues.red);
    expect(pixelAt(scene, 21, 22)).toEqual(backgroundValues.white);
  });

  it('leaves the hole of a ring open', () => {
    expect(pixelAt(oneObject({ shape: 'ring' }), 32, 32)).toEqual(backgroundValues.white);
  });

  it.each(shapes)('mixes edge pixels of a %s: between the two colours, never beyond, and at all levels', (shape) => {
    const scene = oneObject({ shape, x: 31.3, y: 32.6, extent: 29.4, angle: 5 });
    const { data } = drawScene(scene);
    const between = (value: number, one: number, other: number): boolean => value >= Math.min(one, other) && value <= Math.max(one, other);
    const object = colourValues.red;
    const background = backgroundValues.white;
    const beyond = data.filter((value, index) => !between(value, object[index % 3] ?? 0, background[index % 3] ?? 0));
    expect(beyond.length).toBe(0);
    const levels = new Set(data.filter((_, index) => index % 3 === 1));
    expect(levels.size).toBeGreaterThan(20);
  });

  it('scales with the size: a picture twice as large is the same, averaged', () => {
    for (let index = 0; index < 8; index += 1) {
      const scene = sampleScene(0, 'train', index);
      const small = drawScene(scene);
      const large = drawScene(scene, 128);
      expect([large.width, large.height, large.data.length]).toEqual([128, 128, 128 * 128 * 3]);
      let worst = 0;
      small.data.forEach((value, at) => {
        const channel = at % 3;
        const column = Math.floor(at / 3) % 64;
        const row = Math.floor(at / 192);
        const four = [0, 1].flatMap((down) => [0, 1].map((right) => large.data[((2 * row + down) * 128 + 2 * column + right) * 3 + channel] ?? 0));
        worst = Math.max(worst, Math.abs(value - four.reduce((total, one) => total + one, 0) / 4));
      });
      expect(worst).toBeLessThan(12);
    }
  });
});
