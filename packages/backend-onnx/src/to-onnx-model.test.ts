import {
  add,
  apply,
  cast,
  conv2d,
  deriveKey,
  float32Array,
  type Graph,
  gradients,
  type HostArray,
  int32Array,
  keyFromSeed,
  less,
  loop,
  matMul,
  multiply,
  normalArray,
  reduceSum,
  type Shape,
  sizeOf,
  softmax,
  tanh,
  trace,
  weightsFromArrays,
  where,
} from '@tesserae/core';
import { arrayError } from '@tesserae/core/conformance';
import { evaluateGraph } from '@tesserae/core/reference';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { toOnnxModel } from './index.js';

const random = (shape: Shape, name: string): HostArray => float32Array(shape, normalArray(deriveKey(keyFromSeed(4), name), sizeOf(shape)));
const tensorOf = ({ dtype, data, shape }: HostArray): Tensor => new Tensor(dtype, data as Float32Array, [...shape]);
const arrayOf = (tensor: Tensor | undefined): HostArray | undefined =>
  tensor === undefined ? undefined : ({ dtype: tensor.type, shape: [...tensor.dims], data: tensor.data } as unknown as HostArray);

/** Runs exported bytes in ONNX Runtime alone, without this package's backend. */
async function runPlainly(model: Uint8Array, feeds: Readonly<Record<string, HostArray>>): Promise<Record<string, HostArray | undefined>> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  try {
    const results = await session.run(Object.fromEntries(Object.entries(feeds).map(([name, array]) => [name, tensorOf(array)])));
    return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, arrayOf(tensor as Tensor)]));
  } finally {
    await session.release();
  }
}

/** Whether a name of an operator set occurs in the bytes. */
const mentions = (model: Uint8Array, text: string): boolean => Buffer.from(model).includes(text);

const layer = (): Graph =>
  trace('layer', (scope) => {
    const x = scope.input('x', [2, 3]);
    const hidden = tanh(matMul(x, scope.constant('weight', [4, 3]), { transposeB: true }));
    scope.output('hidden', hidden);
    scope.output('probabilities', softmax(hidden));
    scope.output('positive', less(0, hidden));
    scope.output('count', reduceSum(cast(less(0, hidden), 'int32')));
  });
const weights = new Map([['weight', random([4, 3], 'weight')]]);

describe('an exported model', () => {
  it('runs in plain ONNX Runtime, by the names of the graph, and equals the reference', async () => {
    const x = random([2, 3], 'x');
    const model = await toOnnxModel(layer(), weightsFromArrays(weights));
    const expected = evaluateGraph(layer(), { inputs: { x }, constants: weights }).outputs;
    const results = await runPlainly(model, { x });
    expect(Object.keys(results)).toEqual(Object.keys(expected));
    for (const [name, value] of Object.entries(expected)) expect(arrayError(results[name], value), name).toBeLessThan(1e-6);
  });

  it('uses the standard operators only, and names no other operator set, unless contrib ones are allowed', async () => {
    const standard = await toOnnxModel(layer(), weightsFromArrays(weights));
    expect([mentions(standard, 'com.microsoft'), mentions(standard, 'FusedMatMul')]).toEqual([false, false]);
    const contrib = await toOnnxModel(layer(), weightsFromArrays(weights), { contrib: true });
    expect([mentions(contrib, 'com.microsoft'), mentions(contrib, 'FusedMatMul')]).toEqual([true, true]);
    const x = random([2, 3], 'x');
    const [one, two] = [await runPlainly(standard, { x }), await runPlainly(contrib, { x })];
    expect(one.hidden && arrayError(two.hidden, one.hidden)).toBeLessThan(1e-6);
  });

  it('may hold loops: carried, captured and stacked values, constants inside, also nested', async () => {
    const graph = trace('loops', (scope) => {
      const x = scope.input('x', [2, 2]);
      const { carried, stacked } = loop(scope, 3, [x], (iteration, [state = x]) => {
        const inner = loop({ builder: iteration.builder }, 2, [state], (_, [deep = state]) => ({ carried: [multiply(add(deep, x), 0.5)] }));
        const next = tanh(matMul(inner.carried[0] ?? state, scope.constant('weight', [2, 2])));
        return { carried: [add(next, multiply(cast(iteration, 'float32'), 0.1))], stacked: [reduceSum(next, { axes: [1] })] };
      });
      carried.forEach((value) => scope.output('last', value));
      stacked.forEach((value) => scope.output('history', value));
    });
    const constants = new Map([['weight', random([2, 2], 'loop weight')]]);
    const x = random([2, 2], 'loop input');
    const results = await runPlainly(await toOnnxModel(graph, weightsFromArrays(constants)), { x });
    const expected = evaluateGraph(graph, { inputs: { x }, constants }).outputs;
    expect(results.history?.shape).toEqual([3, 2]);
    for (const [name, value] of Object.entries(expected)) expect(arrayError(results[name], value), name).toBeLessThan(1e-6);
  });

  it('holds gradients and convolutions with standard operators too', async () => {
    const graph = trace('gradients', (scope) => {
      const [x, filter] = [scope.input('x', [2, 3, 6, 6]), scope.input('filter', [4, 3, 3, 3])];
      const loss = reduceSum(tanh(conv2d(x, filter, { stride: 2 })));
      gradients(loss, [x, filter]).forEach((gradient, index) => scope.output(`gradient ${index}`, gradient));
    });
    const inputs = { x: random([2, 3, 6, 6], 'picture'), filter: random([4, 3, 3, 3], 'filter') };
    const model = await toOnnxModel(graph);
    expect(mentions(model, 'com.microsoft')).toBe(false);
    const results = await runPlainly(model, inputs);
    for (const [name, value] of Object.entries(evaluateGraph(graph, { inputs }).outputs)) expect(arrayError(results[name], value), name).toBeLessThan(1e-5);
  });

  it('takes state as inputs and gives its updates as results, under documented names', async () => {
    const graph = trace('counter', (scope) => {
      const total = scope.state('total', [2]);
      scope.output('before', total);
      scope.assign('total', add(total, scope.input('x', [2])));
    });
    const model = await toOnnxModel(graph);
    const results = await runPlainly(model, { x: float32Array([2], [1, 2]), 'state:total': float32Array([2], [10, 20]) });
    expect(results).toEqual({ before: float32Array([2], [10, 20]), 'update:total': float32Array([2], [11, 22]) });
  });

  it('may give an input, a literal or one value twice as results', async () => {
    const graph = trace('leaves', (scope) => {
      const x = scope.input('x', [2]);
      scope.output('x', x);
      scope.output('same', x);
      scope.output('literal', scope.literal(int32Array([2], [3, -4])));
    });
    const x = float32Array([2], [1, 2]);
    expect(await runPlainly(await toOnnxModel(graph), { x })).toEqual({ 'result:x': x, same: x, literal: int32Array([2], [3, -4]) });
  });

  it('keeps names apart from those made inside: any name may be an input or a result', async () => {
    const hints = ['const', 'add', 'tanh', 'identity', 'node', 'expand', 'mul'];
    const graph = trace('names', (scope) => {
      const x = scope.input('x', [2]);
      const inputs = hints.flatMap((hint) => [1, 2, 3, 4, 5].map((count) => scope.input(`${hint}_${count}`, [2])));
      const total = inputs.reduce((sum, value) => add(sum, value), tanh(multiply(x, 2)));
      [6, 7, 8, 9].forEach((count) => scope.output(`add_${count}`, add(total, count)));
    });
    const feeds = Object.fromEntries(graph.nodes.flatMap((node) => (node.operation === 'input' ? [[node.attributes.name, random([2], node.attributes.name)]] : [])));
    const results = await runPlainly(await toOnnxModel(graph), feeds);
    for (const [name, value] of Object.entries(evaluateGraph(graph, { inputs: feeds }).outputs)) expect(arrayError(results[name], value), name).toBeLessThan(1e-5);
  });

  it('is refused when its weights are missing or of another shape', async () => {
    await expect(toOnnxModel(layer())).rejects.toMatchObject({ code: 'model-incompatible', message: expect.stringContaining("'weight' should be float32 [4, 3] but is missing") });
    const wrong = weightsFromArrays(new Map([['weight', random([3, 4], 'weight')]]));
    await expect(toOnnxModel(layer(), wrong)).rejects.toMatchObject({ code: 'model-incompatible', message: expect.stringContaining('float32 [3, 4]') });
  });
});

// Operators whose last axes have length one go through a smaller shape: see `broadcasting` in the lowering.
describe('elementwise operators over trailing axes of length one', () => {
  const shapes: readonly (readonly [Shape, Shape])[] = [
    [[4, 3, 1, 1], []],
    [
      [4, 3, 1, 1],
      [1, 1, 1],
    ],
    [
      [4, 3, 1, 1],
      [3, 1, 1],
    ],
    [
      [4, 1, 1, 1],
      [1, 3, 1, 1],
    ],
    [[3, 1], [1]],
    [
      [3, 1],
      [2, 1, 1],
    ],
    [
      [2, 3, 1],
      [1, 1],
    ],
    [[1, 1, 1], [1]],
    [
      [5, 1],
      [5, 1],
    ],
    [
      [2, 1],
      [1, 3],
    ],
    [[0, 1], [1]],
  ];
  for (const [a, b] of shapes) {
    it(`[${a}] with [${b}] agree with the reference, either way round`, async () => {
      const graph = trace('broadcast', (scope) => {
        const [x, y] = [scope.input('a', a), scope.input('b', b)];
        for (const operation of ['add', 'subtract', 'multiply', 'maximum', 'less'] as const) {
          scope.output(operation, apply(operation, [x, y], {}));
          scope.output(`${operation} reversed`, apply(operation, [y, x], {}));
        }
        scope.output('where', where(less(x, y), x, y));
        scope.output('where of truth values', where(less(y, x), less(x, 0), less(0, y)));
      });
      const inputs = { a: random(a, 'a'), b: random(b, 'b') };
      const results = await runPlainly(await toOnnxModel(graph), inputs);
      for (const [name, value] of Object.entries(evaluateGraph(graph, { inputs }).outputs)) expect(arrayError(results[name], value), name).toBeLessThan(1e-6);
    });
  }
});
