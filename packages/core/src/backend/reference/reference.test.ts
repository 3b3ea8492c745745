import { describe, expect, it } from 'vitest';
import { type Graph, trace } from '../../graph/index.js';
import * as ops from '../../ops/index.js';
import { boolArray, float32Array, type HostArray, int32Array } from '../../tensor/index.js';
import { weightsFromArrays } from '../../weights/index.js';
import { erf } from './elementwise.js';
import { createReferenceBackend, evaluateGraph } from './index.js';

/** y = x·w + s, and s becomes y. */
const affine = (): Graph =>
  trace('affine', (scope) => {
    const y = ops.add(ops.multiply(scope.input('x', [2]), scope.constant('w', [2])), scope.state('s', [2]));
    scope.output('y', y);
    scope.assign('s', y);
  });

const pair = (a: number, b: number): HostArray => float32Array([2], [a, b]);
const weights = weightsFromArrays(new Map([['w', pair(2, 3)]]));
const compiled = async () => {
  const backend = createReferenceBackend();
  const state = await backend.createState(new Map([['s', pair(0, 1)]]));
  return { backend, state, program: await backend.compile(affine(), { weights, state }) };
};

describe('a program of the reference backend', () => {
  it('reads constants, state and inputs, and writes the state', async () => {
    const { program, state } = await compiled();
    expect(await program.run({ x: pair(1, 1) })).toEqual({ y: pair(2, 4) });
    expect(await program.run({ x: pair(1, 1) })).toEqual({ y: pair(4, 7) });
    expect(await state.read('s')).toEqual(pair(4, 7));
  });

  it('shares its state with other programs over the same store', async () => {
    const { backend, program, state } = await compiled();
    const reader = await backend.compile(
      trace('reader', (scope) => scope.output('s', scope.state('s', [2]))),
      { state },
    );
    await program.run({ x: pair(1, 1) });
    expect(await reader.run({})).toEqual({ s: pair(2, 4) });
    await state.write('s', pair(9, 9));
    expect(await reader.run({})).toEqual({ s: pair(9, 9) });
  });

  it('gives results that are the caller’s: writing into them changes neither state, literals nor inputs', async () => {
    const backend = createReferenceBackend();
    const state = await backend.createState(new Map([['s', pair(1, 2)]]));
    const graph = trace('leaves', (scope) => {
      scope.output('state', scope.state('s', [2]));
      scope.output('literal', scope.literal(pair(3, 4)));
      scope.output('input', scope.input('x', [2]));
      scope.output('reshaped', ops.reshape(scope.input('x', [2]), [2, 1]));
    });
    const program = await backend.compile(graph, { state });
    const x = pair(5, 6);
    const first = await program.run({ x });
    for (const { data } of Object.values(first)) data.fill(0);
    expect(x).toEqual(pair(5, 6));
    expect(await program.run({ x })).toEqual({ state: pair(1, 2), literal: pair(3, 4), input: pair(5, 6), reshaped: float32Array([2, 1], [5, 6]) });
  });

  it('leaves the state alone when it does not run', async () => {
    const { program, state } = await compiled();
    await expect(program.run({ x: float32Array([3], [1, 2, 3]) })).rejects.toMatchObject({ code: 'shape-mismatch' });
    await expect(program.run({ x: pair(1, 1) }, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop');
    expect(await state.read('s')).toEqual(pair(0, 1));
  });

  it('says so when it was disposed, and what a store holds when it is asked for something else', async () => {
    const { program, state } = await compiled();
    await expect(state.read('t')).rejects.toMatchObject({ code: 'invalid-argument', message: expect.stringContaining("no state 't'"), remedy: 'It holds s.' });
    state.dispose();
    const disposed = { code: 'resource-disposed', message: expect.stringContaining('The state store was disposed.') };
    await expect(state.read('s')).rejects.toMatchObject(disposed);
    await expect(state.write('s', pair(1, 1))).rejects.toMatchObject(disposed);
    await expect(program.run({ x: pair(1, 1) })).rejects.toMatchObject(disposed);
    program.dispose();
    await expect(program.run({ x: pair(1, 1) })).rejects.toMatchObject({ code: 'resource-disposed', message: expect.stringContaining("'affine'") });
  });
});

describe('inputs and bindings that do not fit', () => {
  it('are told by name, before anything runs', async () => {
    const { program } = await compiled();
    await expect(program.run({})).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining("'affine' was not given its input 'x'"),
      remedy: 'Pass float32 [2].',
    });
    await expect(program.run({ x: int32Array([2], [1, 2]) })).rejects.toMatchObject({
      code: 'dtype-mismatch',
      message: expect.stringContaining("Input 'x' is int32, not float32"),
    });
    await expect(program.run({ x: float32Array([2, 1], [1, 2]) })).rejects.toMatchObject({
      code: 'shape-mismatch',
      message: expect.stringContaining("Input 'x' is [2, 1], not [2]"),
    });
    await expect(program.run({ x: pair(1, 2), y: pair(1, 2) })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining("has no input 'y'"),
      remedy: 'It takes x.',
    });
    await expect(program.run({ x: { dtype: 'float32', shape: [2], data: new Float32Array(3) } })).rejects.toMatchObject({
      code: 'shape-mismatch',
      message: expect.stringContaining("'x'"),
    });
  });

  it('are told when the program is compiled', async () => {
    const backend = createReferenceBackend();
    const state = await backend.createState(new Map([['s', pair(0, 0)]]));
    const missing = { code: 'model-incompatible', message: expect.stringContaining("The constant 'w' should be float32 [2] but is missing") };
    await expect(backend.compile(affine(), { state })).rejects.toMatchObject(missing);
    await expect(backend.compile(affine(), { state, weights: weightsFromArrays(new Map([['w', int32Array([2], [1, 2])]])) })).rejects.toMatchObject({
      code: 'model-incompatible',
      message: expect.stringContaining('is int32 [2]'),
      details: { name: 'w' },
    });
    await expect(backend.compile(affine(), { weights })).rejects.toMatchObject({
      code: 'model-incompatible',
      message: expect.stringContaining("The state 's' should be float32 [2] but is missing"),
    });
    const other = await backend.createState(new Map([['s', float32Array([3], [1, 2, 3])]]));
    await expect(backend.compile(affine(), { weights, state: other })).rejects.toMatchObject({ code: 'model-incompatible', message: expect.stringContaining('is float32 [3]') });
  });

  it('are told for a store of another backend: it lives elsewhere', async () => {
    const foreign = await createReferenceBackend().createState(new Map([['s', pair(0, 0)]]));
    await expect(createReferenceBackend().compile(affine(), { weights, state: foreign })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('another backend'),
    });
  });
});

describe('values of the reference', () => {
  it('erf agrees with tables to float32 precision (Abramowitz and Stegun, table 7.1)', () => {
    const table = { 0.1: 0.1124629160182849, 0.5: 0.5204998778130465, 1: 0.8427007929497149, 1.5: 0.9661051464753108, 2: 0.9953222650189527, 3.5: 0.9999992569016276 };
    for (const [x, expected] of Object.entries(table)) {
      expect(Math.abs(erf(Number(x)) - expected)).toBeLessThan(2e-7);
      expect(erf(-Number(x))).toBe(-erf(Number(x)));
    }
    expect([erf(0), erf(30), erf(Number.NaN)]).toEqual([0, 1, Number.NaN]);
  });

  // What NumPy gives for the same calls.
  it('agrees with NumPy on small examples', () => {
    const graph = trace('numpy', (scope) => {
      const x = scope.input('x', [2, 3]);
      scope.output('product', ops.matMul(x, x, { transposeB: true }));
      scope.output('running', ops.cumulativeSum(x, 1));
      scope.output('best', ops.argMax(x, 0));
      scope.output('columns', ops.transpose(x, [1, 0]));
      scope.output('every other', ops.slice(x, [0, 0], [2, 2], [1, 2]));
      scope.output('rows', ops.gather(x, scope.literal(int32Array([3], [1, 0, 1]))));
      scope.output('added', ops.scatterAdd(scope.literal(int32Array([2], [1, 1])), x, 3));
      scope.output('largest', ops.topValues(x, 2));
      scope.output('truncated', ops.cast(ops.multiply(x, -0.6), 'int32'));
      scope.output('flags', ops.less(x, 3));
    });
    const { outputs } = evaluateGraph(graph, { inputs: { x: float32Array([2, 3], [1, 5, 2, 4, 3, 6]) } });
    expect(outputs).toEqual({
      product: float32Array([2, 2], [30, 31, 31, 61]),
      running: float32Array([2, 3], [1, 6, 8, 4, 7, 13]),
      best: int32Array([3], [1, 0, 1]),
      columns: float32Array([3, 2], [1, 4, 5, 3, 2, 6]),
      'every other': float32Array([2, 2], [1, 2, 4, 6]),
      rows: float32Array([3, 3], [4, 3, 6, 1, 5, 2, 4, 3, 6]),
      added: float32Array([3, 3], [0, 0, 0, 5, 8, 8, 0, 0, 0]),
      largest: float32Array([2, 2], [5, 2, 6, 4]),
      truncated: int32Array([2, 3], [0, -3, -1, -2, -1, -3]),
      flags: boolArray([2, 3], [1, 0, 1, 0, 0, 0]),
    });
  });

  it('agrees with PyTorch on a strided, padded convolution', () => {
    const graph = trace('conv', (scope) => scope.output('y', ops.conv2d(scope.input('x', [1, 1, 3, 3]), scope.input('f', [1, 1, 2, 2]), { stride: 2, padding: 1 })));
    const inputs = { x: float32Array([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]), f: float32Array([1, 1, 2, 2], [1, 2, 3, 4]) };
    // [[4·1, 3·2 + 4·3], [2·4 + 4·7, 1·5 + 2·6 + 3·8 + 4·9]]
    expect(evaluateGraph(graph, { inputs }).outputs.y).toEqual(float32Array([1, 1, 2, 2], [4, 18, 36, 77]));
  });
});
