import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConversionResult, conversionCases, conversionRows, markdownTable, measureConversion } from './__fixtures__/conversions.js';
import { measurePart, type PartResult, partCases, partRows } from './__fixtures__/part-conversions.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-converting-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a peer's own file, converted by the command, computes what the peer computed", () => {
  const results: ConversionResult[] = [];
  const parts: PartResult[] = [];

  it.each(conversionCases)('$name', async (each) => {
    const result = await measureConversion(each, join(folder, 'model'));
    results.push(result);
    expect(result.converts).toBe(true);
    expect(result.wrongCodes ?? 0).toBe(0);
    expect(result.pixelError).toBeLessThanOrEqual(each.tolerance.pixels);
    if (each.loss !== undefined) expect(result.gradientError).toBeLessThanOrEqual(each.tolerance.gradients ?? 0);
  });

  it.each(partCases)('$name: $part', async (each) => {
    const result = await measurePart(each, join(folder, 'model'));
    parts.push(result);
    const { converts, wrongTokens, errors = [], gradients } = result;
    expect(converts).toBe(true);
    expect(wrongTokens ?? 0).toBe(0);
    expect(errors.length > 0 || wrongTokens !== undefined).toBe(true);
    for (const { of, error, allowed } of errors) expect(error, of).toBeLessThanOrEqual(allowed);
    if (gradients !== undefined) expect(gradients.error, 'gradients').toBeLessThanOrEqual(gradients.allowed);
  });

  it('and docs/importing.md says so', () => {
    expect(results).toHaveLength(conversionCases.length);
    const page = readFileSync(new URL('../../../docs/importing.md', import.meta.url), 'utf8');
    // Written anew by: node --conditions=tesserae-source --import tsx scripts/write-importing-table.ts
    expect(page).toContain(markdownTable(conversionRows(results)));
    expect(parts).toHaveLength(partCases.length);
    expect(page).toContain(markdownTable(partRows(parts)));
  });
});
