import * as tf from '@tensorflow/tfjs-core';
import { add, float32Array, type Graph, type HostArray, int32Array, loop, matMul, multiply, tanh, trace, type WeightSource, weightsFromArrays } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { createNodeTfjsBackend } from './node/index.js';

/** Everything that holds tensors: weights, literals, state that is read and replaced, a loop that carries and stacks. */
const recurrent: Graph = trace('recurrent', (scope) => {
  const weight = scope.constant('weight', [3, 3]);
  const memory = scope.state('memory', [2, 3]);
  const count = scope.state('count', [], 'int32');
  const results = loop(scope, 3, [add(memory, scope.input('x', [2, 3]))], (_, [carried = memory]) => {
    const next = tanh(matMul(multiply(carried, 0.5), weight));
    return { carried: [next], stacked: [next] };
  });
  const [last = memory] = results.carried;
  // The same value as result and as update, and a leaf as result.
  scope.output('last', last);
  scope.output('history', results.stacked[0] ?? last);
  scope.output('before', memory);
  scope.assign('memory', last);
  scope.assign('count', add(count, 1));
});
const x = float32Array([2, 3], [1, -1, 0.5, 0, 2, -0.25]);
const arrays = new Map([['weight', float32Array([3, 3], [0.5, 0, 1, -1, 0.25, 0, 0, 1, 1])]]);
const initial = new Map<string, HostArray>([
  ['memory', float32Array([2, 3], [0, 0, 0, 0, 0, 0])],
  ['count', int32Array([], [0])],
]);

/** Tensors, and the buffers behind them. */
function held(): readonly [number, number] {
  const { numTensors, numDataBuffers } = tf.memory();
  return [numTensors, numDataBuffers];
}

describe.each(['wasm', 'cpu'] as const)('memory on %s', (device) => {
  it('does not grow over a thousand runs, and everything is given back', async () => {
    const backend = await createNodeTfjsBackend({ device });
    const beginning = held();
    const state = await backend.createState(initial);
    const program = await backend.compile(recurrent, { weights: weightsFromArrays(arrays), state });
    const compiled = held();
    for (let run = 0; run < 1000; run += 1) await program.run({ x });
    expect((await state.read('count')).data[0]).toBe(1000);
    expect(held()).toEqual(compiled);
    program.dispose();
    state.dispose();
    await backend.dispose();
    expect(held()).toEqual(beginning);
  });

  it('is given back by backend.dispose alone', async () => {
    const backend = await createNodeTfjsBackend({ device });
    const beginning = held();
    const state = await backend.createState(initial);
    const program = await backend.compile(recurrent, { weights: weightsFromArrays(arrays), state });
    await program.run({ x });
    await backend.dispose();
    expect(held()).toEqual(beginning);
    program.dispose();
    state.dispose();
    expect(held()).toEqual(beginning);
  });

  it('is given back when a kernel throws inside the loop', async () => {
    const backend = await createNodeTfjsBackend({ device });
    const beginning = held();
    const state = await backend.createState(initial);
    const program = await backend.compile(recurrent, { weights: weightsFromArrays(arrays), state });
    await program.run({ x });
    const compiled = held();
    const kernel = tf.getKernel('Tanh', device);
    let calls = 0;
    tf.unregisterKernel('Tanh', device);
    tf.registerKernel({
      ...kernel,
      kernelFunc: (parameters) => {
        calls += 1;
        if (calls % 3 === 2) throw new Error('out of memory');
        return kernel.kernelFunc(parameters);
      },
    });
    // In the second iteration, when values are carried and stacked already.
    for (let run = 0; run < 10; run += 1) {
      calls = 0;
      await expect(program.run({ x })).rejects.toMatchObject({ code: 'backend-failure' });
    }
    tf.unregisterKernel('Tanh', device);
    tf.registerKernel(kernel);
    expect(held()).toEqual(compiled);
    await program.run({ x });
    expect(held()).toEqual(compiled);
    await backend.dispose();
    expect(held()).toEqual(beginning);
  });

  it('is given back when a run is aborted or its state goes away meanwhile', async () => {
    const backend = await createNodeTfjsBackend({ device });
    const beginning = held();
    const state = await backend.createState(initial);
    const program = await backend.compile(recurrent, { weights: weightsFromArrays(arrays), state });
    const controller = new AbortController();
    const aborted = program.run({ x }, { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toThrow();
    const orphaned = program.run({ x });
    state.dispose();
    await expect(orphaned).rejects.toMatchObject({ code: 'resource-disposed' });
    program.dispose();
    expect(held()).toEqual(beginning);
    await backend.dispose();
  });

  it('holds the weights of one source once, until the last program goes', async () => {
    const backend = await createNodeTfjsBackend({ device });
    const beginning = held();
    const product = trace('product', (scope) => scope.output('y', matMul(scope.input('x', [2, 3]), scope.constant('weight', [3, 3]))));
    const weights = weightsFromArrays(arrays);
    const [first, second] = await Promise.all([backend.compile(product, { weights }), backend.compile(product, { weights })]);
    expect(held()[0]).toBe(beginning[0] + 1);
    first.dispose();
    const { y } = await second.run({ x });
    expect(y?.shape).toEqual([2, 3]);
    second.dispose();
    expect(held()).toEqual(beginning);
    await backend.dispose();
  });

  it('is given back when weights cannot be read', async () => {
    const backend = await createNodeTfjsBackend({ device });
    const beginning = held();
    const sum = trace('sum', (scope) => scope.output('y', add(scope.constant('weight', [3, 3]), scope.constant('broken', [3, 3]))));
    const type = { shape: [3, 3], dtype: 'float32' } as const;
    const weights: WeightSource = {
      types: new Map(['weight', 'broken'].map((name) => [name, { name, ...type }])),
      read: async (name) => {
        const found = arrays.get(name);
        if (found === undefined) throw new Error(`${name} cannot be read`);
        return found;
      },
    };
    await expect(backend.compile(sum, { weights })).rejects.toThrow('broken cannot be read');
    expect(held()).toEqual(beginning);
    await backend.dispose();
  });
});

describe('two devices at once', () => {
  it('do not get in each other’s way', async () => {
    const backends = [await createNodeTfjsBackend({ device: 'wasm' }), await createNodeTfjsBackend({ device: 'cpu' })];
    const weights = weightsFromArrays(arrays);
    const runs = await Promise.all(
      backends.map(async (backend) => {
        const program = await backend.compile(recurrent, { weights, state: await backend.createState(initial) });
        for (let run = 0; run < 5; run += 1) await program.run({ x });
        return program.run({ x });
      }),
    );
    const [onWasm, onCpu] = runs.map(({ last }) => Array.from(last?.data ?? []));
    onWasm?.forEach((value, index) => expect(value).toBeCloseTo(onCpu?.[index] ?? Number.NaN, 5));
    expect(onWasm).toHaveLength(6);
    for (const backend of backends) await backend.dispose();
  });
});
