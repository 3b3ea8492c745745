import { add, type Backend, float32Array, type Graph, type HostArray, int32Array, multiply, type Program, replaceSlice, type StateStore, trace } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { openOnnx } from './__fixtures__/engines.js';
import { findSliceUpdates } from './lowering/slice-updates.js';

const zeros = (shape: readonly number[]): HostArray => float32Array(shape, new Float32Array(shape.reduce((size, length) => size * length, 1)));

/** Writes two columns of x at `start` into the memory, and gives what it was before. */
const writer = trace('writer', (scope) => {
  const memory = scope.state('memory', [2, 4, 3]);
  scope.assign('memory', replaceSlice(memory, scope.input('x', [2, 2, 3]), scope.input('start', [], 'int32'), 1));
  scope.output('before', multiply(memory, 1));
});
const x = (first: number): HostArray =>
  float32Array(
    [2, 2, 3],
    Float32Array.from({ length: 12 }, (_, index) => first + index),
  );
const at = (start: number): HostArray => int32Array([], [start]);

async function opened(backend: Backend, graph: Graph = writer, memory = zeros([2, 4, 3])): Promise<{ state: StateStore; program: Program }> {
  const state = await backend.createState(new Map([['memory', memory]]));
  return { state, program: await backend.compile(graph, { state }) };
}

describe('an update that is a part of a state', () => {
  it('is found where nothing else wants the whole', () => {
    const also = (build: Parameters<typeof trace>[1]): Graph => trace('graph', build);
    expect([...findSliceUpdates(writer)]).toEqual([['memory', { part: expect.any(Number), start: expect.any(Number), axis: 1 }]]);
    const shown = also((scope) => {
      const whole = replaceSlice(scope.state('memory', [4]), scope.input('x', [2]), scope.input('start', [], 'int32'), 0);
      scope.assign('memory', whole);
      scope.output('whole', whole);
    });
    const other = also((scope) => {
      const memory = scope.state('memory', [4]);
      const whole = replaceSlice(memory, scope.input('x', [2]), scope.input('start', [], 'int32'), 0);
      scope.state('copy', [4]);
      scope.assign('copy', whole);
      scope.assign('memory', add(memory, whole));
    });
    expect(findSliceUpdates(shown).size + findSliceUpdates(other).size).toBe(0);
  });

  it('gives what the reference gives, run after run', async () => {
    const [one, other] = [await opened(await openOnnx()), await opened(createReferenceBackend())];
    for (const start of [0, 2, 1, 1]) {
      const inputs = { x: x(10 * start + 1), start: at(start) };
      expect(await one.program.run(inputs)).toEqual(await other.program.run(inputs));
    }
    expect(await one.state.read('memory')).toEqual(await other.state.read('memory'));
  });

  it('leaves alone what the caller gave, and what was read', async () => {
    const given = zeros([2, 4, 3]);
    const { state, program } = await opened(await openOnnx(), writer, given);
    await program.run({ x: x(1), start: at(0) });
    expect(given).toEqual(zeros([2, 4, 3]));
    const read = await state.read('memory');
    const seen = Float32Array.from(read.data);
    await program.run({ x: x(100), start: at(1) });
    expect(read.data).toEqual(seen);
    expect((await state.read('memory')).data).not.toEqual(seen);
    await state.write('memory', given);
    await program.run({ x: x(1), start: at(2) });
    expect(given).toEqual(zeros([2, 4, 3]));
  });

  it('does not change what a run that began before it reads', async () => {
    const backend = await openOnnx();
    const { state, program } = await opened(backend);
    await program.run({ x: x(1), start: at(0) });
    const expected = Float32Array.from((await program.run({ x: x(1), start: at(0) })).before?.data ?? []);
    const second = await backend.compile(writer, { state });
    const [, later] = await Promise.all([program.run({ x: x(500), start: at(1) }), second.run({ x: x(900), start: at(2) })]);
    expect(later.before?.data).toEqual(expected);
  });

  it('that does not fit is refused, and nothing is written', async () => {
    const { state, program } = await opened(await openOnnx());
    await expect(program.run({ x: x(1), start: at(3) })).rejects.toMatchObject({ code: 'backend-failure', message: expect.stringContaining("at 3 of the 4 of state 'memory'") });
    await expect(program.run({ x: x(1), start: at(-1) })).rejects.toMatchObject({ code: 'backend-failure' });
    expect(await state.read('memory')).toEqual(zeros([2, 4, 3]));
  });
});
