// Converts every recorded peer and writes what came out into docs/importing.md:
//   node --conditions=tesserae-source --import tsx scripts/write-importing-table.ts
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConversionResult, conversionTable, measureConversion } from '../packages/cli/src/__fixtures__/conversion.js';
import { conversionCases } from '../packages/cli/src/__fixtures__/conversions.js';

const page = new URL('../docs/importing.md', import.meta.url);
const [start, end] = ['<!-- conversions -->', '<!-- /conversions -->'];
const folder = mkdtempSync(join(tmpdir(), 'tesserae-importing-'));

try {
  const results: ConversionResult[] = [];
  for (const each of conversionCases) results.push(await measureConversion(each, join(folder, 'model')));
  const [before = '', rest = ''] = readFileSync(page, 'utf8').split(start);
  const [, after = ''] = rest.split(end);
  writeFileSync(page, `${before}${start}\n\n${conversionTable(results)}\n\n${end}${after}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
