// Converts every recorded peer and writes what came out into docs/importing.md:
//   node --conditions=tesserae-source --import tsx scripts/write-importing-table.ts
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConversionResult, conversionCases, conversionRows, markdownTable, measureConversion } from '../packages/cli/src/__fixtures__/conversions.js';
import { measurePart, type PartResult, partCases, partRows } from '../packages/cli/src/__fixtures__/part-conversions.js';

const page = new URL('../docs/importing.md', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'tesserae-importing-'));

function putBetween(text: string, mark: string, table: string): string {
  const [start, end] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`];
  const [before = '', rest = ''] = text.split(start);
  const [, after = ''] = rest.split(end);
  return `${before}${start}\n\n${table}\n\n${end}${after}`;
}

try {
  const results: ConversionResult[] = [];
  for (const each of conversionCases) results.push(await measureConversion(each, join(folder, 'model')));
  const parts: PartResult[] = [];
  for (const each of partCases) parts.push(await measurePart(each, join(folder, 'model')));
  const text = putBetween(readFileSync(page, 'utf8'), 'conversions', markdownTable(conversionRows(results)));
  writeFileSync(page, putBetween(text, 'other parts', markdownTable(partRows(parts))));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
