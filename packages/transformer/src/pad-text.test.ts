import { describe, expect, it } from 'vitest';
import { tinyConfiguration } from './__fixtures__/tiny-prior.js';
import type { PriorConfiguration } from './configuration.js';
import { padText } from './pad-text.js';

describe('padText', () => {
  it('gives each free position its own padding id', () => {
    expect([...padText(tinyConfiguration, [4])]).toEqual([4, 8, 9]);
    expect([...padText(tinyConfiguration, [])]).toEqual([7, 8, 9]);
  });

  it('gives all free positions the padding of a condition that has one, and the empty text what stands for it', () => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, condition: { kind: 'text', padding: 1, emptyText: [0, 2] } };
    expect([...padText(configuration, [4])]).toEqual([4, 1, 1]);
    expect([...padText(configuration, [])]).toEqual([0, 2, 1]);
  });

  it('takes a 0 inside a text for padding where DALLE-pytorch does', () => {
    expect([...padText({ ...tinyConfiguration, condition: { kind: 'text', start: 'first-token' } }, [4, 0, 5])]).toEqual([4, 8, 5]);
    expect([...padText(tinyConfiguration, [4, 0, 5])]).toEqual([4, 0, 5]);
  });

  it('takes no class for the one after the last', () => {
    const classes: PriorConfiguration = { ...tinyConfiguration, textLength: 1, condition: { kind: 'class' } };
    expect([...padText(classes, [6])]).toEqual([6]);
    expect([...padText(classes, [])]).toEqual([7]);
  });

  it('refuses what does not fit', () => {
    expect(() => padText(tinyConfiguration, [1, 2, 3, 4])).toThrow(expect.objectContaining({ code: 'prompt-invalid' }));
    for (const id of [7, -1, 0.5, Number.NaN]) {
      expect(() => padText(tinyConfiguration, [1, id])).toThrow(expect.objectContaining({ code: 'prompt-invalid', details: { id, position: 1 } }));
    }
  });
});
