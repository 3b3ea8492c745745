import {
  add,
  concat,
  deriveKey,
  float32Array,
  type Graph,
  type HostArray,
  keyFromSeed,
  loop,
  matMul,
  normalArray,
  reduceSum,
  type Shape,
  sizeOf,
  sliceAxis,
  split,
  type Tensor,
  type TraceScope,
  tanh,
  trace,
} from '@tesserae/core';
import { arrayError } from '@tesserae/core/conformance';
import { evaluateGraph } from '@tesserae/core/reference';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { toOnnxModel } from '../index.js';

const random = (shape: Shape, name: string): HostArray => float32Array(shape, normalArray(deriveKey(keyFromSeed(9), name), sizeOf(shape)));

/** Exports the graph, checks that ONNX Runtime computes what the reference does, and gives how often operators occur. */
async function operators(graph: Graph, shapes: Readonly<Record<string, Shape>>): Promise<(type: string) => number> {
  const model = await toOnnxModel(graph, undefined, { contrib: true });
  const inputs = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, random(shape, name)]));
  const session = await InferenceSession.create(model, { graphOptimizationLevel: 'disabled', logSeverityLevel: 3 });
  try {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { data, shape }]) => [name, new OrtTensor('float32', data as Float32Array, [...shape])]));
    const results = await session.run(feeds);
    for (const [name, expected] of Object.entries(evaluateGraph(graph, { inputs }).outputs)) {
      const { data, dims } = results[name] as OrtTensor;
      expect(arrayError(float32Array([...dims], data as Float32Array), expected), name).toBeLessThan(1e-5);
    }
  } finally {
    await session.release();
  }
  // Names of operators are strings of their own in the file: their length stands before them.
  const bytes = Buffer.from(model).toString('latin1');
  return (type) => bytes.split(`${String.fromCharCode(type.length)}${type}`).length - 1;
}

const graphOf = (build: (scope: TraceScope) => Record<string, Tensor>): Graph =>
  trace('fused', (scope) => {
    for (const [name, value] of Object.entries(build(scope))) scope.output(name, value);
  });

describe('a product and its bias', () => {
  const shapes = { x: [3, 4], weight: [5, 4], bias: [5] } as const;

  it.each([true, false])('become one operator, the bias first or last (%s)', async (last) => {
    const count = await operators(
      graphOf((scope) => {
        const product = matMul(scope.input('x', [3, 4]), scope.input('weight', [5, 4]), { transposeB: true });
        const bias = scope.input('bias', [5]);
        return { y: last ? add(product, bias) : add(bias, product) };
      }),
      shapes,
    );
    expect([count('Gemm'), count('Add'), count('FusedMatMul')]).toEqual([1, 0, 0]);
  });

  it('stay two when the product is read elsewhere, has more axes, or the bias is no row', async () => {
    const count = await operators(
      graphOf((scope) => {
        const product = matMul(scope.input('x', [3, 4]), scope.input('weight', [5, 4]), { transposeB: true });
        const many = matMul(scope.input('stack', [2, 3, 4]), scope.input('weights', [2, 4, 5]));
        const plain = matMul(scope.input('x', [3, 4]), scope.input('right', [4, 5]));
        return { product, y: add(product, scope.input('bias', [5])), many: add(many, scope.input('bias', [5])), raised: add(plain, scope.input('column', [3, 1])) };
      }),
      { ...shapes, stack: [2, 3, 4], weights: [2, 4, 5], right: [4, 5], column: [3, 1] },
    );
    expect([count('Gemm'), count('Add')]).toEqual([0, 3]);
  });
});

describe('slices that cut a value up', () => {
  it('become one split, in whatever order they are taken, of equal parts or not', async () => {
    const count = await operators(
      graphOf((scope) => {
        const [a, b, c] = split(scope.input('x', [2, 6]), 1, 3);
        const y = scope.input('y', [7, 2]);
        return {
          joined: concat(
            [c, a, b].flatMap((part) => part ?? []),
            1,
          ),
          tail: sliceAxis(y, 0, 3, 4),
          head: sliceAxis(y, 0, 0, 3),
        };
      }),
      { x: [2, 6], y: [7, 2] },
    );
    expect([count('Split'), count('Slice')]).toEqual([2, 0]);
  });

  it('stay slices when they overlap, leave something out, or are alone', async () => {
    const count = await operators(
      graphOf((scope) => {
        const [x, y, z] = [scope.input('x', [2, 6]), scope.input('y', [2, 6]), scope.input('z', [2, 6])];
        return { a: sliceAxis(x, 1, 0, 4), b: sliceAxis(x, 1, 2, 4), c: sliceAxis(y, 1, 0, 2), d: sliceAxis(y, 1, 3, 3), e: sliceAxis(z, 1, 0, 3) };
      }),
      { x: [2, 6], y: [2, 6], z: [2, 6] },
    );
    expect([count('Split'), count('Slice')]).toEqual([0, 5]);
  });
});

describe('values that leave a loop body', () => {
  it('are not copied, unless they come from outside or leave twice', async () => {
    const count = await operators(
      graphOf((scope) => {
        const x = scope.input('x', [2, 2]);
        const { carried, stacked } = loop(scope, 3, [x, x, x], (_, [a = x, b = x]) => {
          const next = tanh(add(a, x));
          return { carried: [next, next, b], stacked: [reduceSum(next, { axes: [1] }), x] };
        });
        return Object.fromEntries([...carried, ...stacked].map((value, index) => [`result ${index}`, value]));
      }),
      { x: [2, 2] },
    );
    // Of the body: the condition, the second `next`, the carried b, the captured x. And the five results of the graph.
    expect(count('Identity')).toBe(4 + 5);
  });
});
