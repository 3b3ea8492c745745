import { TesseraeError } from '@tesserae/core';

/** An object of a parsed file, nothing known of its fields. */
export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function corrupt(problem: string, cause?: unknown): never {
  throw new TesseraeError('file-corrupt', `The tokenizer.json ${problem}.`, { remedy: 'Copy it again from its source, or train a tokenizer.', cause });
}

export function unsupported(part: string, value: unknown): never {
  throw new TesseraeError('model-incompatible', `The tokenizer.json has '${part}' = ${JSON.stringify(value)?.slice(0, 80) ?? 'nothing'}, which this tokenizer cannot do.`, {
    remedy: 'Use a BPE tokenizer of the kinds docs/text-tokenizers.md lists, or give the model your own TextTokenizer.',
    details: { part },
  });
}

/** The parts of a list that may be absent, one or a `Sequence`. */
export function stepsOf(value: unknown, part: string, list: string): readonly Fields[] {
  if (value === null || value === undefined) return [];
  if (!isFields(value)) return corrupt(`has a '${part}' that is no object`);
  if (value.type !== 'Sequence') return [value];
  const inner = value[list];
  if (!Array.isArray(inner)) return corrupt(`has a sequence '${part}' without '${list}'`);
  return inner.flatMap((step) => stepsOf(step, part, list));
}

export function textField(fields: Fields, field: string, part: string, absent?: string): string {
  const value = fields[field] ?? absent;
  return typeof value === 'string' ? value : corrupt(`says ${part}.${field}: ${JSON.stringify(value)}`);
}

export function truthField(fields: Fields, field: string, part: string, absent: boolean): boolean {
  const value = fields[field] ?? absent;
  return typeof value === 'boolean' ? value : corrupt(`says ${part}.${field}: ${JSON.stringify(value)}`);
}
