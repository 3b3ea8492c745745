import { describe, expect, it } from 'vitest';
import { distance } from '../judge/nearest.js';
import { backgrounds, backgroundValues, colours, colourValues, isHeldOut, shapes } from './vocabulary.js';

describe('the vocabulary', () => {
  it('has eight colours of fixed values, in a fixed order', () => {
    expect(colours).toEqual(['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'brown']);
    expect(colourValues).toEqual({
      red: [220, 40, 40],
      orange: [245, 140, 30],
      yellow: [250, 220, 50],
      green: [40, 160, 70],
      blue: [40, 90, 220],
      purple: [140, 60, 180],
      pink: [245, 130, 180],
      brown: [130, 80, 40],
    });
  });

  it('has four backgrounds of fixed values and eight shapes, in a fixed order', () => {
    expect(backgrounds).toEqual(['white', 'black', 'gray', 'beige']);
    expect(backgroundValues).toEqual({ white: [245, 245, 245], black: [20, 20, 20], gray: [130, 130, 130], beige: [235, 220, 190] });
    expect(shapes).toEqual(['circle', 'square', 'triangle', 'star', 'cross', 'diamond', 'ring', 'heart']);
  });

  it('keeps colours apart from one another and from the backgrounds', () => {
    const values = colours.map((colour) => colourValues[colour]);
    values.forEach((one, index) => {
      for (const other of values.slice(index + 1)) expect(distance(one, other)).toBeGreaterThan(80);
      for (const background of backgrounds) expect(distance(one, backgroundValues[background])).toBeGreaterThan(80);
    });
  });

  it('holds out the eight pairs whose colour index + 3 × shape index is a multiple of 8', () => {
    const heldOut = shapes.flatMap((shape) => colours.filter((colour) => isHeldOut(colour, shape)).map((colour) => `${colour} ${shape}`));
    expect(heldOut).toEqual(['red circle', 'purple square', 'yellow triangle', 'brown star', 'blue cross', 'orange diamond', 'pink ring', 'green heart']);
  });
});
