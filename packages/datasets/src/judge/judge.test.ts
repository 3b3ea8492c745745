import { describe, expect, it } from 'vitest';
import { degraded } from '../__fixtures__/degrade.js';
import { parseCaption } from '../scenes/captions.js';
import { drawScene } from '../scenes/draw.js';
import { sampleExample } from '../scenes/sample.js';
import { type OneObjectScene, splits } from '../scenes/scene.js';
import { createSceneJudge, type SceneVerdict } from './verdict.js';

const judge = createSceneJudge();
const kinds = ['one', 'two'] as const;
const sets = splits.flatMap((split) => kinds.map((kind) => ({ split, kind })));

function shareRight(verdicts: readonly SceneVerdict[]): number {
  return verdicts.filter(({ allRight }) => allRight).length / verdicts.length;
}

describe('the judge of drawn scenes', () => {
  it.each(sets)('finds all right in $split scenes with $kind', ({ split, kind }) => {
    const verdicts = Array.from({ length: 120 }, (_, index) => {
      const { scene } = sampleExample(11, split, index, { kind });
      return judge(drawScene(scene), scene);
    });
    expect(shareRight(verdicts)).toBeGreaterThanOrEqual(0.99);
  });

  it.each(sets)('finds all right in $split scenes with $kind, blurred, shifted and noisy', ({ split, kind }) => {
    const verdicts = Array.from({ length: 60 }, (_, index) => {
      const { scene } = sampleExample(12, split, index, { kind });
      return judge(degraded(drawScene(scene), index, { blur: index % 2 === 0 ? 0.7 : 1, noise: 6, shift: 12, ragged: 0 }), scene);
    });
    expect(shareRight(verdicts)).toBeGreaterThanOrEqual(0.97);
  });

  it('stands ragged edges', () => {
    const verdicts = Array.from({ length: 60 }, (_, index) => {
      const { scene } = sampleExample(13, 'train', index);
      return judge(degraded(drawScene(scene), index, { blur: 0.7, noise: 6, shift: 12, ragged: 1 }), scene);
    });
    expect(shareRight(verdicts)).toBeGreaterThanOrEqual(0.97);
  });

  it.each([32, 48, 96, 128, 200])('judges pictures of %i pixels alike', (size) => {
    const verdicts = Array.from({ length: 20 }, (_, index) => {
      const { scene } = sampleExample(14, 'train', index);
      return judge(drawScene(scene, size), scene);
    });
    expect(shareRight(verdicts)).toBe(1);
  });

  it('reads the promise from a caption, and leaves open what that leaves open', () => {
    for (let index = 0; index < 40; index += 1) {
      const { scene, caption } = sampleExample(15, 'validation', index);
      const promised = parseCaption(caption);
      if (promised === undefined) throw new Error(`"${caption}" cannot be read.`);
      const verdict = judge(drawScene(scene), promised);
      expect(verdict.allRight, caption).toBe(true);
      expect(verdict.objects.map(({ size }) => size)).toEqual(promised.objects.map(({ size }) => (size === undefined ? undefined : true)));
    }
    const { scene } = sampleExample(15, 'validation', 0, { kind: 'one' });
    const [{ colour, shape }] = scene.objects;
    const { background, allRight } = judge(drawScene(scene), { objects: [{ colour, shape, size: undefined }], background: undefined, place: undefined, relation: undefined });
    expect([background, allRight]).toEqual([undefined, true]);
  });

  it('measures what it finds', () => {
    for (let index = 0; index < 40; index += 1) {
      const { scene } = sampleExample(16, 'train', index);
      for (const [at, { found }] of judge(degraded(drawScene(scene), index), scene).objects.entries()) {
        const drawn = scene.objects[at];
        expect(Math.abs((found?.x ?? 0) - (drawn?.x ?? 99))).toBeLessThan(0.5);
        expect(Math.abs((found?.y ?? 0) - (drawn?.y ?? 99))).toBeLessThan(0.5);
        expect(Math.abs((found?.extent ?? 0) - (drawn?.extent ?? 99))).toBeLessThan(1);
        expect(found?.colourShare).toBeGreaterThan(0.95);
        expect(found?.shapeScores[drawn?.shape ?? 'ring']).toBeGreaterThan(0.8);
      }
    }
  });

  it('is plain data', () => {
    const { scene } = sampleExample(0, 'train', 0);
    const verdict = judge(drawScene(scene), scene);
    expect(structuredClone(verdict)).toEqual(verdict);
    expect(judge(drawScene(scene), scene)).toEqual(verdict);
  });

  it('finds nothing in an empty picture', () => {
    const { scene } = sampleExample(0, 'train', 0, { kind: 'two' });
    const verdict = judge({ width: 64, height: 64, data: new Uint8Array(64 * 64 * 3).fill(20) }, scene);
    expect(verdict.found).toMatchObject({ background: 'black', objects: [] });
    expect(verdict.objects.every(({ found, colour, shape }) => found === undefined && !colour && !shape)).toBe(true);
    expect([verdict.place, verdict.allRight]).toEqual([false, false]);
  });

  it('finds nothing right in noise', () => {
    const scene: OneObjectScene = {
      kind: 'one',
      background: 'gray',
      place: 'centre',
      objects: [{ colour: 'red', shape: 'circle', size: 'large', x: 32, y: 32, extent: 30, angle: 0 }],
    };
    const verdict = judge(degraded({ width: 64, height: 64, data: new Uint8Array(64 * 64 * 3).fill(130) }, 1, { blur: 0, noise: 90, shift: 0, ragged: 0 }), scene);
    expect(verdict.allRight).toBe(false);
    expect(verdict.objects[0]?.shape).toBe(false);
  });

  it.each([
    ['not square', { width: 64, height: 32, data: new Uint8Array(64 * 32 * 3) }],
    ['short of bytes', { width: 64, height: 64, data: new Uint8Array(64) }],
    ['too small', { width: 16, height: 16, data: new Uint8Array(16 * 16 * 3) }],
  ])('refuses a picture that is %s', (_, picture) => {
    const { scene } = sampleExample(0, 'train', 0);
    expect(() => judge(picture, scene)).toThrowError(expect.objectContaining({ code: 'image-invalid' }));
  });
});
