import { describe, expect, it } from 'vitest';
import { otherBackground, otherColour } from '../__fixtures__/mistakes.js';
import { parseCaption } from '../scenes/captions.js';
import { drawScene } from '../scenes/draw.js';
import { sampleScene } from '../scenes/sample.js';
import { summariseVerdicts } from './summary.js';
import { createSceneJudge } from './verdict.js';

const judge = createSceneJudge();

describe('summariseVerdicts', () => {
  it('counts one and two objects apart, and what was not promised not at all', () => {
    const one = sampleScene(0, 'train', 0, { kind: 'one' });
    const two = sampleScene(0, 'train', 1, { kind: 'two' });
    const [first, second] = two.objects;
    const sizeless = parseCaption(`a ${first.colour} ${first.shape} to the left of a ${second?.colour} ${second?.shape}`);
    if (sizeless === undefined || two.kind !== 'two') throw new Error('The caption cannot be read.');
    const verdicts = [
      judge(drawScene(one), one),
      judge(drawScene(otherColour(one, 0)), one),
      judge(drawScene(otherBackground(one, 0)), one),
      judge(drawScene(two), { ...sizeless, relation: two.relation }),
    ];
    const { all, one: ofOne, two: ofTwo } = summariseVerdicts(verdicts);
    expect(ofOne).toEqual({
      pictures: 3,
      colour: { right: 2, of: 3, rate: 2 / 3 },
      shape: { right: 3, of: 3, rate: 1 },
      size: { right: 3, of: 3, rate: 1 },
      place: { right: 3, of: 3, rate: 1 },
      background: { right: 2, of: 3, rate: 2 / 3 },
      objectCount: { right: 3, of: 3, rate: 1 },
      allRight: { right: 1, of: 3, rate: 1 / 3 },
    });
    expect(ofTwo.size).toEqual({ right: 0, of: 0, rate: undefined });
    expect(ofTwo.background.of).toBe(0);
    expect(ofTwo.colour).toEqual({ right: 2, of: 2, rate: 1 });
    expect(all.pictures).toBe(4);
    expect(all.allRight).toEqual({ right: 2, of: 4, rate: 0.5 });
  });

  it('of nothing says that there is nothing', () => {
    expect(summariseVerdicts([]).all).toMatchObject({ pictures: 0, allRight: { right: 0, of: 0, rate: undefined } });
  });
});
