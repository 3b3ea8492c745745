import { expect, it } from 'vitest';
import { fuzz } from './__fixtures__/fuzz.js';

it('600 mutated files: each reads as its bytes say or ends in a typed error, without a crash or a hang', async () => {
  const report = await fuzz(600, 2024, 5_000);
  expect(report.problems).toEqual([]);
  expect(report.refused + report.read).toBe(600);
  // Both ends are reached, or the mutations test nothing.
  expect(report.refused).toBeGreaterThan(200);
  expect(report.read).toBeGreaterThan(10);
}, 180_000);
