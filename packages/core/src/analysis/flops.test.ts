import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/index.js';
import { loop, type Tensor, type TraceScope, trace } from '../graph/index.js';
import { attention, conv2d, matMul, multiply, reduceSum } from '../ops/index.js';
import { countFlops } from './flops.js';

function flopsOf(body: (scope: TraceScope) => Tensor | readonly Tensor[]): ReturnType<typeof countFlops> {
  return countFlops(
    trace('counted', (scope) => {
      [body(scope)].flat().forEach((value, index) => {
        scope.output(`value.${index}`, value);
      });
    }),
  );
}

describe('countFlops', () => {
  it('counts 2·m·n·k a product', () => {
    const flops = flopsOf((scope) => matMul(scope.input('a', [3, 5]), scope.input('b', [5, 7])));
    expect(flops).toEqual({ matrixProducts: 2 * 3 * 7 * 5, convolutions: 0, total: 210 });
  });

  it('takes k from the right axis of transposed inputs', () => {
    expect(flopsOf((scope) => matMul(scope.input('a', [5, 3]), scope.input('b', [7, 5]), { transposeA: true, transposeB: true })).total).toBe(210);
    expect(flopsOf((scope) => matMul(scope.input('a', [3, 5]), scope.input('b', [7, 5]), { transposeB: true })).total).toBe(210);
  });

  it('counts every product of a batch, also a broadcast one', () => {
    expect(flopsOf((scope) => matMul(scope.input('a', [4, 2, 3, 5]), scope.input('b', [2, 5, 7]))).total).toBe(4 * 2 * 210);
    expect(flopsOf((scope) => matMul(scope.input('a', [4, 3, 5]), scope.input('b', [5, 7]))).total).toBe(4 * 210);
  });

  it('multiplies a loop by its count, nested ones too', () => {
    const flops = flopsOf((scope) => {
      const weight = scope.input('w', [4, 4]);
      const step = (x: Tensor): Tensor => matMul(x, weight);
      const [last = weight] = loop(scope, 5, [scope.input('x', [2, 4])], (outer, [x = weight]) => {
        const [inner = x] = loop({ builder: outer.builder }, 3, [x], (_, [y = x]) => ({ carried: [step(y)] })).carried;
        return { carried: [step(inner)] };
      }).carried;
      return last;
    });
    expect(flops.total).toBe(5 * (3 + 1) * 2 * 2 * 4 * 4);
  });

  it('counts the two products that go backward through one', () => {
    const flops = flopsOf((scope) => {
      const [x, weight] = [scope.input('x', [3, 5]), scope.input('w', [5, 7])];
      const product = matMul(x, weight);
      return [product, ...gradients(reduceSum(multiply(product, product)), [x, weight])];
    });
    expect(flops.total).toBe(3 * 210);
  });

  it('counts the scores and the mixture of attention, and nothing of its softmax', () => {
    const flops = flopsOf((scope) => attention(scope.input('q', [2, 3, 6, 8]), scope.input('k', [2, 3, 9, 8]), scope.input('v', [2, 3, 9, 8])));
    expect(flops.total).toBe(2 * 3 * (2 * 6 * 9 * 8 + 2 * 6 * 8 * 9));
  });

  it('counts convolutions and both of their gradients alike, also strided ones', () => {
    for (const stride of [1, 2]) {
      const flops = flopsOf((scope) => {
        const [x, filter] = [scope.input('x', [2, 3, 8, 8]), scope.input('f', [4, 3, 3, 3])];
        const maps = conv2d(x, filter, { stride, padding: 1 });
        return [maps, ...gradients(reduceSum(multiply(maps, maps)), [x, filter])];
      });
      const side = 8 / stride;
      const forward = 2 * (2 * 4 * side * side) * (3 * 3 * 3);
      expect(flops).toEqual({ matrixProducts: 0, convolutions: 3 * forward, total: 3 * forward });
    }
  });

  it('leaves out what no result needs, and counts what is written twice once', () => {
    const flops = flopsOf((scope) => {
      const [a, b] = [scope.input('a', [3, 5]), scope.input('b', [5, 7])];
      matMul(b, scope.input('unused', [7, 100]));
      return multiply(matMul(a, b), matMul(a, b));
    });
    expect(flops.total).toBe(210);
  });
});
