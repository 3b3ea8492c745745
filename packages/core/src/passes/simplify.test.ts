import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../backend/reference/index.js';
import { loop, type TraceScope, trace } from '../graph/index.js';
import { add, reshape, transpose } from '../ops/index.js';
import { float32Array } from '../tensor/index.js';
import { prepareGraph } from './prepare.js';

const operationsOf = (body: (scope: TraceScope) => void): readonly string[] =>
  prepareGraph(trace('moves', body), { composites: new Set() }).nodes.map(({ operation }) => operation);

describe('movements of data that are none', () => {
  it('a transpose of axes of length one is a reshape', () => {
    expect(operationsOf((scope) => scope.output('y', transpose(scope.input('x', [2, 1, 3, 1]), [1, 0, 3, 2])))).toEqual(['input', 'reshape']);
  });

  it('one that moves an axis past another stays', () => {
    expect(operationsOf((scope) => scope.output('y', transpose(scope.input('x', [2, 1, 3]), [2, 1, 0])))).toEqual(['input', 'transpose']);
  });

  it('reshapes of reshapes are one, and none where the shape comes back', () => {
    expect(operationsOf((scope) => scope.output('y', reshape(reshape(scope.input('x', [2, 6]), [12]), [3, 4])))).toEqual(['input', 'reshape']);
    expect(operationsOf((scope) => scope.output('y', reshape(reshape(scope.input('x', [2, 6]), [12]), [2, 6])))).toEqual(['input']);
  });

  it('inside loops, and without changing a value', () => {
    const graph = trace('decode', (scope) => {
      const x = scope.input('x', [1, 1, 4]);
      const { carried } = loop(scope, 3, [x], (_, [value = x]) => ({ carried: [add(reshape(transpose(reshape(value, [1, 1, 2, 2]), [0, 2, 1, 3]), [1, 1, 4]), x)] }));
      scope.output('y', carried[0] ?? x);
    });
    const prepared = prepareGraph(graph, { composites: new Set() });
    const inLoop = prepared.nodes.flatMap((node) => (node.operation === 'loop' ? node.attributes.body.nodes.map(({ operation }) => operation) : []));
    expect(inLoop).not.toContain('transpose');
    expect(inLoop).not.toContain('reshape');
    const inputs = { x: float32Array([1, 1, 4], [1, 2, 3, 4]) };
    expect(evaluateGraph(prepared, { inputs }).outputs.y).toEqual(float32Array([1, 1, 4], [4, 8, 12, 16]));
  });
});
