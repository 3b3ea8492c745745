import { int32Array, trace } from '@tesserae/core';
import { evaluateGraph } from '@tesserae/core/reference';
import { expect, it } from 'vitest';
import { batchUsage, countCodes } from './batch-usage.js';
import { codebookUsage } from './codebook-usage.js';

it('the usage in the graph is the usage on the host', () => {
  const codes = int32Array([2, 2, 3], [0, 4, 4, 4, 7, 0, 0, 0, 0, 0, 7, 9]);
  const graph = trace('usage', (scope) => {
    const given = scope.input('codes', codes.shape, 'int32');
    scope.output('counts', countCodes(given, 10));
    for (const [name, value] of Object.entries(batchUsage(given, 10))) scope.output(name, value);
  });
  const { counts, usedCodes, perplexity } = evaluateGraph(graph, { inputs: { codes } }).outputs;
  expect(Array.from(counts?.data ?? [])).toEqual([6, 0, 0, 0, 3, 0, 0, 2, 0, 1]);
  const { used, perplexity: expected } = codebookUsage(counts?.data ?? []);
  expect([usedCodes?.data[0], used]).toEqual([4, 4]);
  expect(perplexity?.data[0]).toBeCloseTo(expected, 5);
});
