/** Rows under each other: the first column to the left, all others to the right. */
export function tableLines(rows: readonly (readonly string[])[], indent = '  '): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows.map((row) => `${indent}${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`.trimEnd());
}

const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'] as const;

/** 12,293,853,056 → "12.3 G". Three digits and a decimal prefix. */
export function scaled(value: number, unit = ''): string {
  const power = value > 0 && Number.isFinite(value) ? Math.min(prefixes.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3))) : 0;
  const short = value / 1000 ** power;
  const digits = short >= 100 ? 0 : short >= 10 ? 1 : 2;
  return `${power === 0 && Number.isInteger(value) ? value : short.toFixed(digits)} ${prefixes[power] ?? ''}${unit}`.trimEnd();
}
