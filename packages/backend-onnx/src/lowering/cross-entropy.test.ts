import { crossEntropy, float32Array, gradients, int32Array, reduceSum, trace } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { expect, it } from 'vitest';
import { openOnnx } from '../__fixtures__/engines.js';

it('is read off the likelihoods, and nothing where a target is no class', async () => {
  const graph = trace('loss', (scope) => scope.output('y', crossEntropy(scope.input('logits', [3, 2, 3]), scope.input('targets', [3, 2], 'int32'))));
  const inputs = {
    logits: float32Array([3, 2, 3], [1, 2, 3, -1, 0, 1, 5, 5, 5, 100, -100, 0, 0.5, 0.25, 1, 2, 1, 0]),
    targets: int32Array([3, 2], [2, 0, 1, 1, -1, 3]),
  };
  const program = await (await openOnnx()).compile(graph);
  const { y } = await program.run(inputs);
  program.dispose();
  const found = Array.from(y?.data ?? [], (value) => value + 0);
  Array.from(evaluateGraph(graph, { inputs }).outputs.y?.data ?? []).forEach((expected, index) => {
    expect(found[index]).toBeCloseTo(expected, 5);
  });
  expect(found[3]).toBeCloseTo(200, 4);
  expect(found.slice(4)).toEqual([0, 0]);
});

it('has the decomposition’s gradient, also where a target is no class', async () => {
  const graph = trace('gradient', (scope) => {
    const logits = scope.input('logits', [2, 3, 4]);
    for (const gradient of gradients(reduceSum(crossEntropy(logits, scope.input('targets', [2, 3], 'int32'))), [logits])) scope.output('y', gradient);
  });
  const inputs = {
    logits: float32Array([2, 3, 4], [1, 2, 3, 0, -1, 0, 1, 2, 5, 5, 5, 5, 100, -100, 0, 1, 0.5, 0.25, 1, 2, 1, 0, -3, 4]),
    targets: int32Array([2, 3], [2, 0, 1, 1, -1, 4]),
  };
  const program = await (await openOnnx()).compile(graph);
  const { y } = await program.run(inputs);
  program.dispose();
  const expected = Array.from(evaluateGraph(graph, { inputs }).outputs.y?.data ?? []);
  expect(expected).toHaveLength(24);
  expect(Array.from(y?.data ?? [])).toEqual(expected.map((value) => expect.closeTo(value, 5)));
});
