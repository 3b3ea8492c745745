import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConversionResult, conversionTable, measureConversion, peers } from './__fixtures__/conversion.js';
import { conversionCases } from './__fixtures__/conversions.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-converting-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a peer's own file, converted by the command, computes what the peer computed", () => {
  const results: ConversionResult[] = [];

  it('in every recorded case', () => {
    const foldersIn = (at: string) => readdirSync(at, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [join(at, entry.name)] : []));
    const recorded = foldersIn(peers).flatMap(foldersIn);
    const left = recorded.filter((each) => !conversionCases.some(({ sources }) => sources.some((source) => `${source}/`.startsWith(`${each}/`))));
    expect(left).toEqual([]);
    expect(recorded).toHaveLength(32);
  });

  it.each(conversionCases)('$name: $part', async (each) => {
    const result = await measureConversion(each, join(folder, 'model'));
    results.push(result);
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
    const found = conversionTable(results);
    const written = page.slice(page.indexOf('<!-- conversions -->'), page.indexOf('<!-- /conversions -->'));
    const powers = (table: string): number[] => Array.from(table.matchAll(/below 1e(-?\d+)/g), ([, power]) => Number(power));
    const withoutPowers = (table: string): string => table.replaceAll(/below 1e-?\d+ */g, 'below ');
    expect(withoutPowers(written)).toContain(withoutPowers(found));
    // Another processor rounds otherwise, and may put an error on the other side of a power of ten.
    powers(found).forEach((power, index) => expect(Math.abs(power - (powers(written)[index] ?? 0))).toBeLessThanOrEqual(1));
  });
});
