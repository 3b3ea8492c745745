import { describe, expect, it } from 'vitest';
import type { OperationName } from '../../graph/index.js';
import { typeRules } from '../../graph/infer-type.js';
import { float32Array } from '../../tensor/index.js';
import { createReferenceBackend } from '../reference/index.js';
import { arrayError, type ConformanceCase, conformanceCases, coveredOperations, runConformance } from './index.js';

describe('the conformance suite', () => {
  const cases = conformanceCases();
  const isGradient = ({ name }: ConformanceCase): boolean => name.endsWith(', gradient');
  const forward = cases.filter((test) => !isGradient(test));
  // Constants are bound at compile; backends test them with their own weights.
  const operations = (Object.keys(typeRules) as OperationName[]).filter((name) => name !== 'constant');
  const without = (found: (operation: OperationName) => boolean, exceptions: readonly OperationName[] = []): OperationName[] =>
    operations.filter((operation) => !exceptions.includes(operation) && !found(operation));

  it('has no two cases of one name: exclusions go by them', () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  it('runs every operation forward, in a case that is called by it', () => {
    const covered = coveredOperations(forward);
    expect(without((operation) => covered.has(operation))).toEqual([]);
    expect(without((operation) => forward.some(({ name }) => name.startsWith(`${operation}:`)), ['input', 'loopResult'])).toEqual([]);
  });

  it('runs the gradient of every operation that has one', () => {
    const flat: readonly OperationName[] = ['cast', 'logicalNot', 'equal', 'less', 'lessOrEqual', 'logicalAnd', 'logicalOr', 'argMax', 'oneHot'];
    const leaves: readonly OperationName[] = ['input', 'state', 'literal', 'iota', 'loopResult'];
    expect(without((operation) => cases.some((test) => isGradient(test) && test.name.startsWith(`${operation}:`)), [...flat, ...leaves])).toEqual([]);
  });

  for (const [what, size] of [
    ['empty axes', 0],
    ['axes of length one', 1],
  ] as const) {
    it(`runs every operation over ${what}`, () => {
      const meets = ({ graph }: ConformanceCase, operation: OperationName): boolean =>
        graph.nodes.some((node) => node.operation === operation && [node, ...node.inputs.map((input) => graph.nodes[input])].some((value) => value?.shape.includes(size)));
      expect(without((operation) => forward.some((test) => meets(test, operation)))).toEqual([]);
    });
  }

  it('broadcasts every operation that does', () => {
    const broadcasting: readonly OperationName[] = [
      ...(['add', 'subtract', 'multiply', 'divide', 'maximum', 'minimum', 'power'] as const),
      ...(['equal', 'less', 'lessOrEqual', 'logicalAnd', 'logicalOr', 'where', 'matMul'] as const),
    ];
    const unequal = ({ graph }: ConformanceCase, operation: OperationName): boolean =>
      graph.nodes.some((node) => node.operation === operation && new Set(node.inputs.map((input) => String(graph.nodes[input]?.shape))).size > 1);
    expect(broadcasting.filter((operation) => !forward.some((test) => unequal(test, operation)))).toEqual([]);
  });

  it('is passed by the reference backend', async () => {
    const results = await runConformance(createReferenceBackend());
    expect(results.filter(({ status }) => status !== 'passed')).toEqual([]);
  });

  it('finds a wrong value, a wrong shape and a NaN', () => {
    const expected = float32Array([2], [1, 2]);
    expect(arrayError(float32Array([2], [1, 2.3]), expected)).toBeCloseTo(0.1);
    expect(arrayError(float32Array([1, 2], [1, 2]), expected)).toBe(Number.POSITIVE_INFINITY);
    expect(arrayError(float32Array([2], [1, Number.NaN]), expected)).toBe(Number.POSITIVE_INFINITY);
  });
});
