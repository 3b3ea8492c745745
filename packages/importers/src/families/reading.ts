import { TesseraeError } from '@tesserae/core';
import { type ImageTokenizerConfiguration, imageTokenizerParameters, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { type PriorConfiguration, parsePriorConfiguration, priorParameters } from '@tesserae/transformer';
import type { MetadataValue } from '../checkpoint.js';
import type { Hyperparameters, Ignorable, PartReading, PeerFile, ReadingContext, WeightName, Weights } from './family.js';

/** What families have in common when they read a configuration off tensors. */

/** How many of `prefix0…`, `prefix1…`, … there are, counted from `first` without a gap. */
export function countModules(weights: Weights, prefix: string, first = 0): number {
  const found = new Set<string>();
  for (const name of weights.keys()) if (name.startsWith(prefix)) found.add(/^\d+/.exec(name.slice(prefix.length))?.[0] ?? '');
  let count = 0;
  while (found.has(String(first + count))) count += 1;
  return count;
}

/** One extent of a tensor. @throws TesseraeError `model-incompatible` when there is no such tensor or axis. */
export function extentOf({ weights, name: file }: Pick<PeerFile, 'weights' | 'name'>, name: string, axis: number): number {
  const extent = weights.get(name)?.shape[axis];
  if (extent !== undefined) return extent;
  throw new TesseraeError('model-incompatible', `${file}: ${weights.has(name) ? `'${name}' has no axis ${axis}` : `there is no tensor '${name}', which tells the model's size`}.`, {
    remedy: 'Use the checkpoint as the program that made it wrote it.',
    details: { tensor: name },
  });
}

/** The tensors below a prefix, under what follows it. */
export function weightsBelow(weights: Weights, prefix: string): Weights {
  return new Map(Array.from(weights).flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [])));
}

/** A table of a file's metadata. */
export function tableIn(table: Hyperparameters, key: string): Hyperparameters | undefined {
  const value: MetadataValue | undefined = table.get(key);
  return value instanceof Map ? (value as Hyperparameters) : undefined;
}

/** A whole number among hyperparameters. */
export function wholeIn(table: Hyperparameters, key: string): number | undefined {
  const value = table.get(key);
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}

/** A truth value among hyperparameters. */
export function truthIn(table: Hyperparameters, key: string): boolean | undefined {
  const value = table.get(key);
  return typeof value === 'boolean' ? value : undefined;
}

/** A list of names among hyperparameters, numbers as names too; one name alone is a list of one. */
export function namesIn(table: Hyperparameters, key: string): readonly string[] | undefined {
  const value = table.get(key);
  const list: readonly MetadataValue[] = Array.isArray(value) ? (value as readonly MetadataValue[]) : [value ?? null];
  const names = list.flatMap((item) => (typeof item === 'string' || typeof item === 'number' ? [String(item)] : []));
  return names.length === list.length && names.length > 0 ? names : undefined;
}

/** A value somewhere in a settings file. */
export function valueAt(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const key of path) value = typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
  return value;
}

/** A whole number somewhere in a settings file. */
export function wholeAt(document: unknown, path: readonly string[]): number | undefined {
  const value = valueAt(document, path);
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}

/** `a` ↔ `b`, once for each field of a layer. */
export function* fieldsOf(peer: string, path: string, fields: Readonly<Record<string, string>> = { weight: 'weight', bias: 'bias' }): Iterable<WeightName> {
  for (const [peerField, field] of Object.entries(fields)) yield { peer: `${peer}.${peerField}`, path: `${path}.${field}` };
}

/** A part of the kind image tokenizer, its configuration completed by the user's settings and checked. */
export function imageTokenizerPart(
  configuration: ImageTokenizerConfiguration,
  { settings }: ReadingContext,
  rest: { readonly names: Iterable<WeightName>; readonly weights: Weights; readonly ignorable?: readonly Ignorable[]; readonly assumed?: readonly string[] },
): PartReading {
  const checked = parseImageTokenizerConfiguration({ ...configuration, ...settings });
  const { names, weights, ignorable = [], assumed = [] } = rest;
  return { part: 'imageTokenizer', configuration: checked, expected: imageTokenizerParameters(checked), names, weights, ignorable, assumed };
}

/** A part of the kind prior, the same. */
export function priorPart(
  configuration: PriorConfiguration,
  { settings }: ReadingContext,
  rest: { readonly names: Iterable<WeightName>; readonly weights: Weights; readonly ignorable?: readonly Ignorable[]; readonly assumed?: readonly string[] },
): PartReading {
  const checked = parsePriorConfiguration({ ...configuration, ...settings });
  const { names, weights, ignorable = [], assumed = [] } = rest;
  return { part: 'prior', configuration: checked, expected: priorParameters(checked), names, weights, ignorable, assumed };
}

/** The picture size that the user or a file says; else that of every published model of the family, and a sentence that says so. */
export function imageSizeOf(read: number | undefined, { settings }: ReadingContext, published: number): { readonly imageSize: number; readonly assumed: readonly string[] } {
  if (read !== undefined || settings.imageSize !== undefined) return { imageSize: read ?? published, assumed: [] };
  return { imageSize: published, assumed: [`No file says the size of pictures: ${published} pixels, as published models have. --set imageSize=N says another.`] };
}
