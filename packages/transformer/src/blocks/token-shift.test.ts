import { float32Array, int32Array, keyFromSeed, normalArray, reshape, sliceAxis, trace } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { recentTokens, shiftOne, shiftTokens } from './token-shift.js';

const prefix = 3;
const grid = { rows: 3, columns: 2 };
const width = 8;
const tokens = normalArray(keyFromSeed(1), (prefix + 6) * width);
const x = float32Array([1, prefix + 6, width], tokens);

function shiftedTokens(): number[][] {
  const graph = trace('shift', (scope) => scope.output('shifted', shiftTokens(scope.input('x', x.shape), prefix, grid)));
  const { shifted } = evaluateGraph(graph, { inputs: { x } }).outputs;
  return Array.from({ length: prefix + 6 }, (_, token) => Array.from(shifted?.data.slice(token * width, (token + 1) * width) ?? []));
}

describe('token shift', () => {
  const token = (index: number, from: number, to: number): number[] => Array.from(tokens.slice(index * width + from, index * width + to));

  it('takes half of a text token from the one before', () => {
    const shifted = shiftedTokens();
    expect(shifted[0]).toEqual([0, 0, 0, 0, ...token(0, 4, 8)]);
    expect(shifted[2]).toEqual([...token(1, 0, 4), ...token(2, 4, 8)]);
  });

  it('takes quarters of an image token from above and from the left, never from the text', () => {
    const shifted = shiftedTokens();
    expect(shifted[prefix]).toEqual([0, 0, 0, 0, ...token(prefix, 4, 8)]);
    expect(shifted[prefix + 1]).toEqual([0, 0, ...token(prefix, 2, 4), ...token(prefix + 1, 4, 8)]);
    // The first of a row has no left neighbour.
    expect(shifted[prefix + 4]).toEqual([...token(prefix + 2, 0, 2), 0, 0, ...token(prefix + 4, 4, 8)]);
    expect(shifted[prefix + 5]).toEqual([...token(prefix + 3, 0, 2), ...token(prefix + 4, 2, 4), ...token(prefix + 5, 4, 8)]);
  });

  it.each([0, 1, 2, 3, 4, 5])('is the same for one token after %i remembered ones', (count) => {
    const graph = trace('shift one', (scope) => {
      const all = scope.input('x', x.shape);
      const recent = recentTokens(sliceAxis(all, 1, 0, prefix + count), prefix, grid);
      const own = reshape(sliceAxis(all, 1, prefix + count, 1), [1, width]);
      const one = shiftOne(own, recent, scope.literal(int32Array([], [count % grid.columns])));
      scope.output('shifted', one.shifted);
      scope.output('expected', recentTokens(sliceAxis(all, 1, 0, prefix + count + 1), prefix, grid));
      scope.output('remembered', one.recent);
    });
    const { shifted, remembered, expected } = evaluateGraph(graph, { inputs: { x } }).outputs;
    expect(Array.from(shifted?.data ?? [])).toEqual(shiftedTokens()[prefix + count]);
    expect(remembered).toEqual(expected);
  });
});
