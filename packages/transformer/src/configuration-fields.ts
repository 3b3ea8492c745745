import { TesseraeError } from '@tesserae/core';

/** What is read out of a prior's `config.json`, field by field. Everything here throws TesseraeError `invalid-argument`, naming the field. */
export function invalid(field: string, value: unknown, remedy: string): never {
  throw new TesseraeError('invalid-argument', `The prior's configuration has '${field}' = ${JSON.stringify(value) ?? 'nothing'}.`, { remedy, details: { field, value } });
}

export function wholeNumber(value: unknown, field: string, minimum = 1): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= minimum ? value : invalid(field, value, `Give '${field}' as a whole number of at least ${minimum}.`);
}

export function truth(value: unknown, field: string): boolean {
  return typeof value === 'boolean' ? value : invalid(field, value, 'Use true or false.');
}

export function recordOf(value: unknown, field: string): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : invalid(field, value, `Give '${field}' as an object.`);
}

/** One of the names of a table. */
export function choice<Name extends string>(value: unknown, field: string, names: Readonly<Record<Name, true>>): Name {
  const isName = (given: unknown): given is Name => typeof given === 'string' && Object.hasOwn(names, given);
  return isName(value) ? value : invalid(field, value, `Use ${Object.keys(names).join(', ')}.`);
}

/** A field that may be left out: absent in the result when it is absent in the source. */
export function optional<Field extends string, Value>(
  source: Readonly<Record<string, unknown>>,
  field: Field,
  read: (value: unknown, field: string) => Value,
  place = '',
): { readonly [Key in Field]?: Value } {
  return source[field] === undefined ? {} : ({ [field]: read(source[field], place + field) } as { [Key in Field]?: Value });
}
