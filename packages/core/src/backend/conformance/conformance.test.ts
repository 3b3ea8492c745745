import { describe, expect, it } from 'vitest';
import { typeRules } from '../../graph/infer-type.js';
import { float32Array } from '../../tensor/index.js';
import { createReferenceBackend } from '../reference/index.js';
import { arrayError, conformanceCases, coveredOperations, runConformance } from './index.js';

describe('the conformance suite', () => {
  it('has a case for every operation, and no two cases of one name', () => {
    const cases = conformanceCases();
    const covered = coveredOperations(cases);
    // Constants are bound at compile; backends test them with their own weights.
    expect(Object.keys(typeRules).filter((name) => name !== 'constant' && ![...covered].includes(name as never))).toEqual([]);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
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
