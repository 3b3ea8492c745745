import {
  add,
  type Backend,
  createTrainingStep,
  deriveKey,
  float32Array,
  gather,
  type HostArray,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  layerNorm,
  linear,
  multiply,
  normalArray,
  type Program,
  reduceMean,
  relu,
  type StateStore,
  square,
  stateNames,
  subtract,
  trace,
  train,
} from '@tesserae/core';
import { arrayError } from '@tesserae/core/conformance';
import { createReferenceBackend } from '@tesserae/core/reference';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { createNodeOnnxBackend } from './node/index.js';
import type { OnnxRuntime } from './runtime.js';

const open = (runtime?: OnnxRuntime): Promise<Backend> => createNodeOnnxBackend({ threads: 1, ...(runtime === undefined ? {} : { runtime }) });
const pair = (a: number, b: number): HostArray => float32Array([2], [a, b]);

/** Adds x to the total, and tells the total before. */
const counter = trace('counter', (scope) => {
  const total = scope.state('total', [2]);
  scope.output('before', total);
  scope.assign('total', add(total, scope.input('x', [2])));
});
const reader = trace('reader', (scope) => scope.output('double', multiply(scope.state('total', [2]), 2)));

async function counting(backend: Backend): Promise<{ state: StateStore; program: Program }> {
  const state = await backend.createState(new Map([['total', pair(0, 0)]]));
  return { state, program: await backend.compile(counter, { state }) };
}

describe('state', () => {
  it('lives between runs and is shared by programs over one store', async () => {
    const backend = await open();
    const { state, program } = await counting(backend);
    const second = await backend.compile(reader, { state });
    expect(await program.run({ x: pair(1, 2) })).toEqual({ before: pair(0, 0) });
    expect(await program.run({ x: pair(1, 2) })).toEqual({ before: pair(1, 2) });
    expect(await second.run({})).toEqual({ double: pair(4, 8) });
    expect(await state.read('total')).toEqual(pair(2, 4));
    await state.write('total', pair(5, 5));
    expect(await second.run({})).toEqual({ double: pair(10, 10) });
    expect([...state.types]).toEqual([['total', { name: 'total', shape: [2], dtype: 'float32' }]]);
  });

  it('is kept apart by two stores', async () => {
    const backend = await open();
    const [one, two] = [await counting(backend), await counting(backend)];
    await one.program.run({ x: pair(1, 1) });
    expect(await two.state.read('total')).toEqual(pair(0, 0));
  });

  it('stays as it was when a run is refused, aborted or fails in the engine', async () => {
    let broken = false;
    const runtime: OnnxRuntime = {
      Tensor: Tensor as unknown as OnnxRuntime['Tensor'],
      InferenceSession: {
        async create(model, options) {
          const session = await InferenceSession.create(model as Uint8Array, options);
          return {
            run: (feeds: InferenceSession.FeedsType) => (broken ? Promise.reject(new Error('out of memory')) : session.run(feeds)),
            release: () => session.release(),
          } as unknown as Awaited<ReturnType<OnnxRuntime['InferenceSession']['create']>>;
        },
      },
    };
    const { state, program } = await counting(await open(runtime));
    await program.run({ x: pair(1, 1) });
    await expect(program.run({ x: float32Array([3], [1, 2, 3]) })).rejects.toMatchObject({ code: 'shape-mismatch', message: expect.stringContaining("Input 'x' is [3], not [2]") });
    await expect(program.run({ x: pair(1, 1) }, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop');
    const abort = new AbortController();
    const running = program.run({ x: pair(1, 1) }, { signal: abort.signal });
    abort.abort(new Error('stop in the middle'));
    await expect(running).rejects.toThrow('stop in the middle');
    broken = true;
    await expect(program.run({ x: pair(1, 1) })).rejects.toMatchObject({ code: 'backend-failure', message: expect.stringMatching(/graph 'counter'.*out of memory/) });
    expect(await state.read('total')).toEqual(pair(1, 1));
    broken = false;
    expect(await program.run({ x: pair(1, 1) })).toEqual({ before: pair(1, 1) });
  });

  it('of another backend is refused', async () => {
    const foreign = await createReferenceBackend().createState(new Map([['total', pair(0, 0)]]));
    await expect((await open()).compile(counter, { state: foreign })).rejects.toMatchObject({ code: 'invalid-argument', message: expect.stringContaining('another backend') });
  });

  it('that is not there is asked for in vain', async () => {
    const { state } = await counting(await open());
    await expect(state.read('other')).rejects.toMatchObject({ code: 'invalid-argument', remedy: 'It holds total.' });
  });
});

describe('a program', () => {
  it('cannot be run when it was disposed, while others go on', async () => {
    const backend = await open();
    const { state, program } = await counting(backend);
    const second = await backend.compile(reader, { state });
    program.dispose();
    program.dispose();
    await expect(program.run({ x: pair(1, 1) })).rejects.toMatchObject({ code: 'resource-disposed', message: expect.stringContaining("'counter'"), remedy: 'Compile it again.' });
    expect(await second.run({})).toEqual({ double: pair(0, 0) });
    state.dispose();
    const disposed = { code: 'resource-disposed', message: expect.stringContaining('The state store was disposed.') };
    await expect(second.run({})).rejects.toMatchObject(disposed);
    await expect(state.read('total')).rejects.toMatchObject(disposed);
  });

  it('that the engine refuses says which graph and which device', async () => {
    const runtime: OnnxRuntime = { Tensor: Tensor as unknown as OnnxRuntime['Tensor'], InferenceSession: { create: () => Promise.reject(new Error('no such operator')) } };
    await expect((await open(runtime)).compile(trace('odd', (scope) => scope.output('y', scope.literal(1))))).rejects.toMatchObject({
      code: 'backend-failure',
      message: expect.stringMatching(/refused graph 'odd' on cpu: no such operator/),
    });
  });

  it('is not compiled when that is aborted', async () => {
    const reason = new Error('never mind');
    await expect(
      (await open()).compile(
        trace('y', (scope) => scope.output('y', scope.literal(1))),
        { signal: AbortSignal.abort(reason) },
      ),
    ).rejects.toBe(reason);
  });
});

describe('training', () => {
  const step = createTrainingStep(
    'network',
    ({ scope, parameters }) => {
      const table = parameters.parameter('table', [5, 4], { kind: 'normal', deviation: 1 }, { decay: false });
      const embedded = layerNorm(
        gather(table, scope.input('ids', [3], 'int32')),
        parameters.parameter('gain', [4], { kind: 'ones' }),
        parameters.parameter('bias', [4], { kind: 'zeros' }),
      );
      const hidden = relu(linear(parameters.child('first'), embedded, { features: 6 }));
      return { loss: reduceMean(square(subtract(linear(parameters.child('second'), hidden, { features: 2 }), scope.input('y', [3, 2])))) };
    },
    { learningRate: { kind: 'cosine', from: 0.02, to: 0.001, steps: 10 }, weightDecay: 0.05, clipNorm: 0.5, ema: 0.9, epsilon: 1e-4 },
  );
  const batch = (at: number): Record<string, HostArray> => ({
    ids: int32Array([3], [at % 5, (at * 2 + 1) % 5, 4]),
    y: float32Array([3, 2], normalArray(deriveKey(keyFromSeed(6), at), 6)),
  });

  it('follows the reference backend: losses, parameters, moments and average', async () => {
    const run = async (backend: Backend) => {
      const losses: number[] = [];
      const state = await train({
        backend,
        step,
        state: initialTrainingState(step, keyFromSeed(1)),
        steps: 10,
        batch,
        onProgress: ({ metrics }) => void losses.push(metrics.loss ?? Number.NaN),
      });
      return { losses, state };
    };
    const [onnx, reference] = [await run(await open()), await run(createReferenceBackend())];
    expect(onnx.losses).toEqual(reference.losses.map((loss) => expect.closeTo(loss, 4)));
    expect(onnx.state.get(stateNames.step)).toEqual(int32Array([], [10]));
    for (const [name, value] of reference.state) expect(arrayError(onnx.state.get(name), value), name).toBeLessThan(1e-4);
  });
});
