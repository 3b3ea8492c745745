import { bytesPerElement, sizeOf } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { lively, sourceOf, tinyConfiguration } from './__fixtures__/tiny-prior.js';
import type { PriorConfiguration } from './configuration.js';
import { batchWithin, decodeBytes } from './decode-budget.js';
import { emptyDecodeState } from './decode-session.js';
import { createTransformerPrior } from './prior.js';

const large: PriorConfiguration = {
  ...tinyConfiguration,
  width: 1024,
  layers: 8,
  heads: 16,
  textLength: 256,
  grid: { rows: 32, columns: 32 },
  codebookSize: 8192,
  attention: 'full',
};
const gibibyte = 2 ** 30;

describe('the memory of a decoding', () => {
  it('is what it keeps between calls, and a span twice', () => {
    const batch = { candidates: 3, branches: 2, span: 4 };
    const kept = Array.from(emptyDecodeState(tinyConfiguration, batch).values()).reduce((sum, { shape, dtype }) => sum + sizeOf(shape) * bytesPerElement[dtype], 0);
    // Two layers of keys and values, old and new, of 2·3 rows, 2 heads and 4 tokens of 4 numbers.
    expect(decodeBytes(tinyConfiguration, batch)).toBe(kept + 2 * 2 * 2 * (2 * 3 * 2 * 4 * 4 * 4));
  });

  it('of full attention at 1,024 tokens is some 68 MB a candidate and branch; of the paper’s a quarter of that', () => {
    const each = (configuration: PriorConfiguration): number =>
      (decodeBytes(configuration, { candidates: 9, branches: 1, span: 32 }) - decodeBytes(configuration, { candidates: 8, branches: 1, span: 32 })) / 1e6;
    // 8 layers of keys and values, 1,024 positions of 1,024 floats, are 67.1 MB.
    expect(each(large)).toBeCloseTo(67.1 + 0.03 + 4.2, 0);
    // Two layers of columns keep all positions, five of rows 32 each, the last 192.
    expect(each({ ...large, attention: 'paper' })).toBeCloseTo(16.8 + 1.3 + 1.6 + 0.03 + 4.2, 0);
  });

  it('decides how many candidates go together', () => {
    const most = batchWithin(large, gibibyte, 64);
    const bytes = (candidates: number): number => decodeBytes(large, { candidates, branches: 2, span: 32 });
    expect(bytes(most)).toBeLessThanOrEqual(gibibyte);
    expect(bytes(most + 1)).toBeGreaterThan(gibibyte);
    expect(batchWithin({ ...large, attention: 'paper' }, gibibyte, 64)).toBeGreaterThan(2 * most);
    expect(batchWithin(tinyConfiguration, gibibyte, 16)).toBe(16);
    expect(batchWithin(large, 1, 16)).toBe(1);
  });

  it('is what a prior goes by', () => {
    const weights = sourceOf(lively(tinyConfiguration));
    const backend = createReferenceBackend();
    const bytes = decodeBytes(tinyConfiguration, { candidates: 3, branches: 2, span: 4 });
    expect(createTransformerPrior({ config: tinyConfiguration, weights, backend, memoryBudget: bytes }).maximumBatch).toBe(3);
    expect(createTransformerPrior({ config: tinyConfiguration, weights, backend }).maximumBatch).toBe(16);
    expect(() => createTransformerPrior({ config: tinyConfiguration, weights, backend, memoryBudget: 0 })).toThrow(/0 bytes of memory/);
  });
});
