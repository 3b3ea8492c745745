import {
  deriveKey,
  float32Array,
  type Graph,
  type HostArray,
  keyFromSeed,
  matMul,
  normalArray,
  reduceSum,
  type Shape,
  sizeOf,
  type Tensor,
  type TraceScope,
  trace,
} from '@tesserae/core';
import { arrayError } from '@tesserae/core/conformance';
import { evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { openOnnx } from '../__fixtures__/engines.js';
import { toOnnxModel } from '../index.js';

const random = (shape: Shape, name: string): HostArray => float32Array(shape, normalArray(deriveKey(keyFromSeed(5), name), sizeOf(shape)));

/** Runs the graph and the reference, compares them, and gives the exported model's bytes as text, in which operators' names can be found. */
async function lowered(shapes: Readonly<Record<string, Shape>>, build: (scope: TraceScope) => Tensor): Promise<string> {
  const graph: Graph = trace('sums', (scope) => scope.output('y', build(scope)));
  const inputs = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, random(shape, name)]));
  const backend = await openOnnx();
  const program = await backend.compile(graph);
  try {
    const { y } = await program.run(inputs);
    const { y: expected } = evaluateGraph(graph, { inputs }).outputs;
    if (y === undefined || expected === undefined) throw new RangeError('the graph gave no y');
    expect(arrayError(y, expected)).toBeLessThan(5e-5);
  } finally {
    program.dispose();
  }
  return Buffer.from(await toOnnxModel(graph, undefined, { contrib: true })).toString('latin1');
}

describe('a product of two matrices with many rows, the left one transposed', () => {
  it.each([
    [1030, 48, 40],
    [1030, 40, 48],
    [1030, 64, 64],
  ])('moves the narrower one: %i rows, %i and %i columns', async (rows, left, right) => {
    const model = await lowered({ a: [rows, left], b: [rows, right] }, (scope) => matMul(scope.input('a', [rows, left]), scope.input('b', [rows, right]), { transposeA: true }));
    expect([model.includes('Transpose'), model.includes('FusedMatMul')]).toEqual([true, false]);
  });

  it('stays one operator when it is small', async () => {
    const model = await lowered({ a: [30, 8], b: [30, 6] }, (scope) => matMul(scope.input('a', [30, 8]), scope.input('b', [30, 6]), { transposeA: true }));
    expect([model.includes('Transpose'), model.includes('FusedMatMul')]).toEqual([false, true]);
  });
});

describe('a product of stacks of matrices with many rows, the left one transposed', () => {
  it.each([
    { left: [2, 3, 520, 70], right: [2, 3, 520, 17], isSwapped: true },
    { left: [2, 3, 520, 70], right: [2, 3, 520, 48], isSwapped: false },
    { left: [2, 3, 20, 70], right: [2, 3, 20, 17], isSwapped: false },
    { left: [3, 520, 70], right: [1, 520, 8], isSwapped: true },
  ])('transposes the narrower one instead where it is much narrower: $left by $right', async ({ left, right, isSwapped }) => {
    const model = await lowered({ a: left, b: right }, (scope) => matMul(scope.input('a', left), scope.input('b', right), { transposeA: true }));
    expect([model.includes('FusedMatMul'), model.includes('Transpose')]).toEqual([true, isSwapped]);
  });
});

describe('a sum over leading axes', () => {
  it.each([
    { shape: [1024, 40], axes: [0], keepDimensions: false },
    { shape: [1021, 40], axes: [0], keepDimensions: true },
    { shape: [3, 400, 5, 8], axes: [0, 1], keepDimensions: false },
    { shape: [3, 400, 5, 8], axes: [0, 1], keepDimensions: true },
  ])('is a product with ones: $shape over $axes, kept $keepDimensions', async ({ shape, axes, keepDimensions }) => {
    const model = await lowered({ x: shape }, (scope) => reduceSum(scope.input('x', shape), { axes, keepDimensions }));
    expect(model).toContain('MatMul');
  });

  it.each([
    { shape: [1024, 40], axes: [1] },
    { shape: [1024, 40], axes: [0, 1] },
    { shape: [60, 4000], axes: [0] },
    { shape: [20, 60, 40], axes: [1] },
    { shape: [10000, 4], axes: [0] },
  ])('and no other: $shape over $axes', async ({ shape, axes }) => {
    const model = await lowered({ x: shape }, (scope) => reduceSum(scope.input('x', shape), { axes }));
    expect(model).not.toContain('MatMul');
  });
});
