import type { Picture } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { degraded } from '../__fixtures__/degrade.js';
import { drawnWithExtra, missingObject, otherBackground, otherColour, otherPlace, otherShape, otherSize, swapped, turned } from '../__fixtures__/mistakes.js';
import { drawScene } from '../scenes/draw.js';
import { sampleScene } from '../scenes/sample.js';
import type { OneObjectScene, Scene, TwoObjectScene } from '../scenes/scene.js';
import { createSceneJudge, type SceneVerdict } from './verdict.js';

const judge = createSceneJudge();
const count = 60;

function oneObject(index: number): OneObjectScene {
  const scene = sampleScene(21, 'train', index, { kind: 'one' });
  if (scene.kind !== 'one') throw new Error('A scene with one object was asked for.');
  return scene;
}

function twoObjects(index: number): TwoObjectScene {
  const scene = sampleScene(22, 'train', index, { kind: 'two' });
  if (scene.kind !== 'two') throw new Error('A scene with two objects was asked for.');
  return scene;
}

function either(index: number): Scene {
  return index % 2 === 0 ? oneObject(index) : twoObjects(index);
}

interface Case {
  readonly promised: Scene;
  readonly picture: Picture;
}

/** Every other picture as a decoder would blur it. */
function seen(picture: Picture, index: number): Picture {
  return index % 4 < 2 ? picture : degraded(picture, index);
}

/** Share of the cases in which the mistake is found for what it is, and the picture is not all right. */
function found(make: (index: number) => Case, isFound: (verdict: SceneVerdict) => boolean): number {
  let right = 0;
  for (let index = 0; index < count; index += 1) {
    const { promised, picture } = make(index);
    const verdict = judge(seen(picture, index), promised);
    if (isFound(verdict) && !verdict.allRight) right += 1;
  }
  return right / count;
}

function drawn<Kind extends Scene>(scene: (index: number) => Kind, mistake: (scene: Kind, choice: number) => Scene): (index: number) => Case {
  return (index) => ({ promised: scene(index), picture: drawScene(mistake(scene(index), index)) });
}

describe('the judge of deliberate mistakes', () => {
  it('finds a wrong colour, and nothing else wrong', () => {
    const isFound = (verdict: SceneVerdict): boolean => verdict.objects.some(({ colour }) => !colour) && verdict.objects.every(({ shape }) => shape) && verdict.place;
    expect(found(drawn(oneObject, otherColour), isFound)).toBeGreaterThanOrEqual(0.99);
    expect(found(drawn(twoObjects, otherColour), ({ objects }) => objects.some(({ colour }) => !colour))).toBeGreaterThanOrEqual(0.99);
  });

  it('finds a wrong shape, and nothing else wrong', () => {
    const isFound = (verdict: SceneVerdict): boolean => verdict.objects.some(({ shape }) => !shape) && verdict.objects.every(({ colour }) => colour) && verdict.place;
    expect(found(drawn(oneObject, otherShape), isFound)).toBeGreaterThanOrEqual(0.99);
    expect(found(drawn(twoObjects, otherShape), ({ objects }) => objects.some(({ shape }) => !shape))).toBeGreaterThanOrEqual(0.99);
  });

  it('finds a wrong size', () => {
    expect(found(drawn(oneObject, otherSize), ({ objects }) => objects[0]?.size === false)).toBeGreaterThanOrEqual(0.99);
  });

  it('finds a wrong place', () => {
    expect(found(drawn(oneObject, otherPlace), ({ place, objects }) => !place && objects[0]?.colour === true && objects[0].shape)).toBeGreaterThanOrEqual(0.99);
  });

  it('finds objects that changed places, and ones that stand across', () => {
    const isFound = ({ place, objects }: SceneVerdict): boolean => !place && objects.every(({ colour, shape }) => colour && shape);
    expect(found(drawn(twoObjects, swapped), isFound)).toBeGreaterThanOrEqual(0.99);
    expect(found(drawn(twoObjects, turned), isFound)).toBeGreaterThanOrEqual(0.99);
  });

  it('finds a missing object', () => {
    expect(found(drawn(twoObjects, missingObject), ({ objects }) => objects.filter((object) => object.found === undefined).length === 1)).toBeGreaterThanOrEqual(0.99);
  });

  it('finds an extra object, and which one that is', () => {
    const make = (index: number): Case => ({ promised: either(index), picture: drawnWithExtra(either(index), index) });
    expect(found(make, ({ extraObjects, objects }) => extraObjects === 1 && objects.every(({ colour, shape }) => colour && shape))).toBeGreaterThanOrEqual(0.99);
  });

  it('finds a wrong background', () => {
    expect(found(drawn(either, otherBackground), ({ background }) => background === false)).toBeGreaterThanOrEqual(0.99);
  });
});
