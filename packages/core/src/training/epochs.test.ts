import { describe, expect, it } from 'vitest';
import { keyFromSeed } from '../random/index.js';
import { epochOrder } from './epochs.js';

describe('epochOrder', () => {
  const turns = (from: number, order = epochOrder(keyFromSeed(4), 20)) => Array.from({ length: 20 }, (_, index) => order(from + index));

  it('meets every example once an epoch, in another order each time', () => {
    const order = epochOrder(keyFromSeed(4), 20);
    const [first, second] = [turns(0, order), turns(20, order)];
    for (const epoch of [first, second]) expect([...epoch].sort((a, b) => a - b)).toEqual([...Array(20).keys()]);
    expect(first).not.toEqual(second);
  });

  it('gives the same whether it was asked from the beginning or goes on in the middle', () => {
    const order = epochOrder(keyFromSeed(4), 20);
    const whole = Array.from({ length: 60 }, (_, turn) => order(turn));
    expect(turns(33)).toEqual(whole.slice(33, 53));
    expect(order(7)).toBe(whole[7]);
  });
});
