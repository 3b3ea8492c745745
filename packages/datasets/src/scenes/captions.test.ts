import { describe, expect, it } from 'vitest';
import { describeScene, type ParsedCaption, parseCaption, sceneCaption } from './captions.js';
import { sampleExample, sampleScene } from './sample.js';
import { type Scene, splits } from './scene.js';

/** What a caption of the scene promises when it says all. */
function promiseOf(scene: Scene): ParsedCaption {
  return {
    objects: scene.objects.map(({ colour, shape, size }) => ({ colour, shape, size })),
    background: scene.background,
    place: scene.kind === 'one' ? scene.place : undefined,
    relation: scene.kind === 'two' ? scene.relation : undefined,
  };
}

function withoutSizes(promise: ParsedCaption): ParsedCaption {
  return { ...promise, objects: promise.objects.map((object) => ({ ...object, size: undefined })) };
}

describe('captions of scenes', () => {
  it('say what the scene is: every caption of many scenes reads back', () => {
    for (const split of splits) {
      for (let index = 0; index < 300; index += 1) {
        const scene = sampleScene(2, split, index);
        const whole = promiseOf(scene);
        for (const caption of describeScene(scene)) {
          const parsed = parseCaption(caption);
          const saysSize = /\b(small|large)\b/.test(caption);
          expect(parsed, caption).toEqual(saysSize ? whole : withoutSizes(whole));
        }
      }
    }
  });

  it('say the size of one object in five of six sentences, of two never', () => {
    const one = describeScene(sampleScene(0, 'train', 0, { kind: 'one' }));
    const two = describeScene(sampleScene(0, 'train', 0, { kind: 'two' }));
    expect(one.map((caption) => /\b(small|large)\b/.test(caption))).toEqual([true, true, true, true, true, false]);
    expect(two.some((caption) => /\b(small|large)\b/.test(caption))).toBe(false);
  });

  it('are chosen by a number from 0 to 1, all of them', () => {
    const scene = sampleScene(0, 'train', 0);
    const captions = describeScene(scene);
    const chosen = captions.map((_, index) => sceneCaption(scene, (index + 0.5) / captions.length));
    expect(chosen).toEqual(captions);
    expect(sceneCaption(scene, 0.999_999_9)).toBe(captions.at(-1));
  });

  it('use "an" before a vowel', () => {
    const captions = Array.from({ length: 200 }, (_, index) => sampleExample(0, 'train', index).caption);
    expect(captions.filter((caption) => /\ba [aeiou]|\ban [^aeiou]/.test(caption))).toEqual([]);
    expect(captions.some((caption) => caption.includes('an orange'))).toBe(true);
  });
});

describe('parseCaption', () => {
  it('forgives case, spaces and spelling', () => {
    const plain = parseCaption('a small red star on a gray background');
    expect(plain).toEqual({ objects: [{ colour: 'red', shape: 'star', size: 'small' }], background: 'gray', place: 'centre', relation: undefined });
    expect(parseCaption('  A small   RED star on a grey Background. ')).toEqual(plain);
  });

  it('leaves open what is not said', () => {
    expect(parseCaption('a blue ring')).toEqual({ objects: [{ colour: 'blue', shape: 'ring', size: undefined }], background: undefined, place: 'centre', relation: undefined });
  });

  it('tells what it cannot read', () => {
    for (const caption of ['', 'an armchair in the shape of an avocado', 'a red star and a blue ring', 'a red star above', 'a red star above a blue ring above a green circle']) {
      expect(parseCaption(caption), caption).toBeUndefined();
    }
  });
});
