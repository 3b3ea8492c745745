import { TesseraeError } from '@tesserae/core';

/** What is read out of a `config.json`, field by field. Everything here throws TesseraeError `model-incompatible`, naming the field. */
export type Fields = Readonly<Record<string, unknown>>;

function fail(field: string, value: unknown, remedy: string): never {
  throw new TesseraeError('model-incompatible', `The image tokenizer's configuration says ${field}: ${JSON.stringify(value)}.`, { remedy, details: { field, value } });
}

const isWhole = (value: unknown, minimum: number): value is number => typeof value === 'number' && Number.isInteger(value) && value >= minimum;

export function wholeNumber(source: Fields, field: string, minimum: number): number {
  const value = source[field];
  return isWhole(value, minimum) ? value : fail(field, value, `Give a whole number of at least ${minimum}.`);
}

export function numberList(source: Fields, field: string, minimum: number): readonly number[] {
  const value = source[field];
  return Array.isArray(value) && value.every((entry) => isWhole(entry, minimum)) ? value : fail(field, value, `Give a list of whole numbers of at least ${minimum}.`);
}

/** A finite number above 0. */
export function positiveNumber(source: Fields, field: string): number {
  const value = source[field];
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : fail(field, value, 'Give a number above 0, or leave it out.');
}

/** A switch that is off when it is left out: to be spread into a configuration. */
export function truth<Name extends string>(source: Fields, field: Name): { readonly [field in Name]?: boolean } {
  const value = source[field];
  if (value === undefined) return {};
  return typeof value === 'boolean' ? ({ [field]: value } as { readonly [field in Name]?: boolean }) : fail(field, value, 'Give true or false, or leave it out.');
}

export function choice<const Names extends readonly string[]>(source: Fields, field: string, names: Names): Names[number] {
  const value = source[field];
  return names.find((name) => name === value) ?? fail(field, value, `Use ${names.join(', ')}.`);
}
