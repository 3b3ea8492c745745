import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/index.js';
import { loop, type Tensor, trace } from '../graph/index.js';
import { add, gather, matMul, multiply, reduceSum, reshape, sliceAxis, transpose } from '../ops/index.js';
import { memoryUse } from './memory.js';
import { leafReads } from './reads.js';

describe('memoryUse', () => {
  it('drops values that nobody reads any more', () => {
    const graph = trace('chain', (scope) => {
      const weight = scope.constant('w', [10, 10]);
      let x = scope.input('x', [10, 10]);
      for (let layer = 0; layer < 5; layer += 1) x = matMul(x, weight);
      scope.output('y', x);
    });
    // Two at a time: what is read and what is made of it. The first product reads a leaf.
    expect(memoryUse(graph)).toMatchObject({ leaves: { input: 400, constant: 400, state: 0, literal: 0 }, peak: 2 * 400 });
  });

  it('keeps what a later value reads, and says what it is', () => {
    const graph = trace('residual', (scope) => {
      const weight = scope.constant('w', [10, 10]);
      const first = matMul(scope.input('x', [10, 10]), weight);
      const second = matMul(matMul(first, weight), weight);
      scope.output('y', add(first, second));
    });
    expect(memoryUse(graph)).toMatchObject({ peak: 3 * 400, alive: [{ operation: 'matMul' }, { operation: 'matMul' }, { operation: 'matMul', shape: [10, 10], bytes: 400 }] });
  });

  it('works elementwise in place, and names anew without a copy', () => {
    const graph = trace('in place', (scope) => {
      const x = matMul(scope.input('x', [10, 10]), scope.constant('w', [10, 10]));
      scope.output('y', reshape(multiply(add(reshape(x, [100]), 1), 2), [4, 25]));
    });
    expect(memoryUse(graph).peak).toBe(400);
  });

  it('keeps new states to the end', () => {
    const graph = trace('update', (scope) => {
      for (const name of ['a', 'b', 'c']) {
        const state = scope.state(name, [10, 10]);
        scope.assign(name, multiply(state, 0.5));
      }
    });
    const { peak, alive } = memoryUse(graph);
    expect(peak).toBe(3 * 400);
    expect(alive.map(({ update }) => update).sort()).toEqual(['a', 'b', 'c']);
  });

  it('keeps what backward needs of forward, and finds marked gradients', () => {
    const marks = new Map<number, string>();
    const graph = trace('training', (scope) => {
      const weights = ['a', 'b', 'c', 'd'].map((name) => scope.state(name, [10, 10]));
      const last = weights.reduce<Tensor>((x, weight) => matMul(x, weight), scope.input('x', [200, 10]));
      gradients(reduceSum(last), weights).forEach((gradient, index) => {
        marks.set(gradient.node, `gradient of ${index}`);
        scope.assign(['a', 'b', 'c', 'd'][index] ?? '', gradient);
      });
    });
    const { alive } = memoryUse(graph, { marks });
    // The inputs of the second to the last product are needed to learn their weights; the last product only for its sum.
    expect(alive.filter(({ shape }) => shape[0] === 200).length).toBeGreaterThanOrEqual(3);
    expect(memoryUse(graph, { marks }).alive.map(({ mark }) => mark)).toContain('gradient of 3');
  });

  it('adds a loop’s body, once, to what is alive around it', () => {
    const graph = trace('loop', (scope) => {
      const weight = scope.constant('w', [10, 10]);
      const { carried, stacked } = loop(scope, 7, [scope.input('x', [10, 10])], (_, [x = weight]) => {
        const y = matMul(matMul(x, weight), weight);
        return { carried: [y], stacked: [reduceSum(y)] };
      });
      scope.output('y', carried[0] ?? weight);
      scope.output('sums', stacked[0] ?? weight);
    });
    // Old carried value, two products of the body and the sum, and seven stacked sums.
    expect(memoryUse(graph).peak).toBe(400 + 7 * 4 + 2 * 400);
  });
});

describe('leafReads', () => {
  it('reads matrices whole, however many rows meet them, and of tables what is taken', () => {
    const graph = trace('reads', (scope) => {
      const table = scope.constant('table', [1000, 10]);
      const x = gather(table, scope.input('ids', [3], 'int32'));
      scope.output('y', matMul(x, scope.constant('w', [10, 20])));
      scope.output('part', sliceAxis(scope.state('cache', [50, 10]), 0, 0, 5));
    });
    expect(leafReads(graph).map(({ kind, name, size, bytes, readers }) => [kind, name, size, bytes, [...readers]])).toEqual([
      ['constant', 'table', 40_000, 120, ['gather']],
      ['input', 'ids', 12, 12, ['gather']],
      ['constant', 'w', 800, 800, ['matMul']],
      ['state', 'cache', 2000, 200, ['slice']],
    ]);
  });

  it('reads in a loop as often as it runs, also of what the loop captured', () => {
    const graph = trace('loop', (scope) => {
      const weight = scope.constant('w', [10, 10]);
      const { carried } = loop(scope, 5, [scope.state('x', [1, 10])], (_, [x = weight]) => ({ carried: [matMul(x, reshape(weight, [10, 10]))] }));
      scope.output('y', transpose(carried[0] ?? weight, [1, 0]));
    });
    expect(leafReads(graph).map(({ name, bytes }) => [name, bytes])).toEqual([
      ['x', 40],
      ['w', 5 * 400],
    ]);
  });
});
