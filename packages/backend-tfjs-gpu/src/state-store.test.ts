import { add, float32Array, gather, int32Array, multiply, type StateStore, trace, weightsFromArrays } from '@tesserae/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createNodeTfjsBackend } from './node/index.js';

/** Adds an input to the state, and gives what the state was. */
const accumulate = trace('accumulate', (scope) => {
  const total = scope.state('total', [2]);
  scope.output('before', total);
  scope.assign('total', add(total, scope.input('x', [2])));
});
const x = float32Array([2], [1, 10]);
const zeros = new Map([['total', float32Array([2], [0, 0])]]);

async function totalOf(store: StateStore): Promise<number[]> {
  return Array.from((await store.read('total')).data);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('state of tfjs-gpu', () => {
  it('is shared by the programs that are compiled with it', async () => {
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const state = await backend.createState(zeros);
    const [first, second] = [await backend.compile(accumulate, { state }), await backend.compile(accumulate, { state })];
    await first.run({ x });
    const { before } = await second.run({ x });
    expect(before?.data).toEqual(new Float32Array([1, 10]));
    expect(await totalOf(state)).toEqual([2, 20]);
    await state.write('total', float32Array([2], [5, 5]));
    await first.run({ x });
    expect(await totalOf(state)).toEqual([6, 15]);
    await backend.dispose();
  });

  it('does not change when the caller changes the arrays it gave or got', async () => {
    const backend = await createNodeTfjsBackend({ device: 'cpu' });
    const initial = float32Array([2], [1, 2]);
    const state = await backend.createState(new Map([['total', initial]]));
    initial.data[0] = 99;
    (await state.read('total')).data[0] = 99;
    expect(await totalOf(state)).toEqual([1, 2]);
    await backend.dispose();
  });

  it('is as it was after a run that was aborted before it began, or while results were on their way', async () => {
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const state = await backend.createState(zeros);
    const program = await backend.compile(accumulate, { state });
    await expect(program.run({ x }, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    const controller = new AbortController();
    const running = program.run({ x }, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(await totalOf(state)).toEqual([0, 0]);
    await program.run({ x });
    expect(await totalOf(state)).toEqual([1, 10]);
    await backend.dispose();
  });

  it('is as it was after a kernel or a download failed', async () => {
    const tf = await import('@tensorflow/tfjs-core');
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const state = await backend.createState(zeros);
    const program = await backend.compile(accumulate, { state });
    const kernel = tf.getKernel('Add', 'wasm');
    tf.unregisterKernel('Add', 'wasm');
    await expect(program.run({ x })).rejects.toMatchObject({ code: 'backend-failure', message: expect.stringContaining("in graph 'accumulate' on wasm") });
    tf.registerKernel(kernel);
    vi.spyOn(tf.Tensor.prototype, 'data').mockRejectedValueOnce(new Error('device lost'));
    await expect(program.run({ x })).rejects.toMatchObject({ code: 'backend-failure', message: expect.stringContaining('device lost') });
    expect(await totalOf(state)).toEqual([0, 0]);
    await backend.dispose();
  });

  it('is not replaced before the device has answered, even where the graph has no results', async () => {
    const tf = await import('@tensorflow/tfjs-core');
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const state = await backend.createState(new Map([['total', x]]));
    const silent = trace('silent', (scope) => scope.assign('total', multiply(scope.state('total', [2]), 2)));
    const program = await backend.compile(silent, { state });
    vi.spyOn(tf.Tensor.prototype, 'data').mockRejectedValueOnce(new Error('device lost'));
    await expect(program.run({})).rejects.toMatchObject({ code: 'backend-failure' });
    expect(await totalOf(state)).toEqual([1, 10]);
    await backend.dispose();
  });

  it('refuses names it does not have and values of another type', async () => {
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const state = await backend.createState(zeros);
    await expect(state.read('sum')).rejects.toMatchObject({ code: 'invalid-argument', remedy: 'It holds total.' });
    await expect(state.write('sum', x)).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(state.write('total', float32Array([1], [0]))).rejects.toMatchObject({ code: 'shape-mismatch' });
    await expect(state.write('total', int32Array([2], [0, 0]))).rejects.toMatchObject({ code: 'dtype-mismatch' });
    await backend.dispose();
  });

  it('of another backend is refused when a graph is compiled', async () => {
    const [one, other] = [await createNodeTfjsBackend({ device: 'wasm' }), await createNodeTfjsBackend({ device: 'wasm' })];
    const state = await one.createState(zeros);
    await expect(other.compile(accumulate, { state })).rejects.toMatchObject({ code: 'invalid-argument' });
    await one.dispose();
  });
});

describe('what was disposed', () => {
  const disposed = { code: 'resource-disposed' };

  it('says so: state, program and backend', async () => {
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const state = await backend.createState(zeros);
    const program = await backend.compile(accumulate, { state });
    state.dispose();
    state.dispose();
    await expect(state.read('total')).rejects.toMatchObject(disposed);
    await expect(state.write('total', x)).rejects.toMatchObject(disposed);
    await expect(program.run({ x })).rejects.toMatchObject(disposed);
    program.dispose();
    program.dispose();
    await expect(program.run({ x })).rejects.toMatchObject(disposed);
    await backend.dispose();
    await backend.dispose();
    await expect(backend.createState(zeros)).rejects.toMatchObject(disposed);
    await expect(backend.compile(accumulate)).rejects.toMatchObject(disposed);
  });

  it('with the backend: all its programs and states', async () => {
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const state = await backend.createState(zeros);
    const program = await backend.compile(accumulate, { state });
    await backend.dispose();
    await expect(program.run({ x })).rejects.toMatchObject(disposed);
    await expect(state.read('total')).rejects.toMatchObject(disposed);
  });

  it('while a run waits for its results makes the run fail', async () => {
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const state = await backend.createState(zeros);
    const program = await backend.compile(accumulate, { state });
    const running = program.run({ x });
    state.dispose();
    await expect(running).rejects.toMatchObject(disposed);
    await backend.dispose();
  });

  it('while weights are read makes the compilation fail', async () => {
    const backend = await createNodeTfjsBackend({ device: 'wasm' });
    const rows = trace('rows', (scope) => scope.output('y', gather(scope.constant('table', [3, 2]), scope.input('at', [1], 'int32'))));
    const weights = weightsFromArrays(new Map([['table', float32Array([3, 2], [1, 2, 3, 4, 5, 6])]]));
    const compiling = backend.compile(rows, { weights });
    await backend.dispose();
    await expect(compiling).rejects.toMatchObject(disposed);
  });
});
