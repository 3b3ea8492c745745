import { describe, expect, it } from 'vitest';
import { codebookUsage } from './codebook-usage.js';

describe('codebookUsage', () => {
  it.each([
    ['even use', [3, 3, 3, 3], 4, 4],
    ['one code', [0, 9, 0, 0], 1, 1],
    ['half of the codes', [5, 0, 5, 0], 2, 2],
    ['nothing', [0, 0, 0], 0, 0],
    ['no codes', [], 0, 0],
  ])('of %s', (_, counts, used, perplexity) => {
    const usage = codebookUsage(counts);
    expect(usage.used).toBe(used);
    expect(usage.perplexity).toBeCloseTo(perplexity, 10);
  });

  it('has exp of the entropy in nats as perplexity', () => {
    expect(codebookUsage(Float32Array.of(1, 3)).perplexity).toBeCloseTo(Math.exp(-(0.25 * Math.log(0.25) + 0.75 * Math.log(0.75))), 10);
  });
});
