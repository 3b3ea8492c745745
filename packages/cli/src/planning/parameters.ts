import { type ParameterSpec, sizeOf } from '@tesserae/core';

export interface PartCount {
  readonly part: string;
  readonly parameters: number;
}

/** Names segments up to which parts are told apart: `blocks.*.attention`, `head.image`. */
function partOf(name: string): string {
  const segments = name.split('.').map((segment) => (/^\d+$/.test(segment) ? '*' : segment));
  const withoutField = segments.length > 1 ? segments.slice(0, -1) : segments;
  const blocks = segments.indexOf('*');
  return withoutField.slice(0, blocks === -1 ? 2 : blocks + 2).join('.');
}

/** Parameters by part, in the order of the model; numbered parts together. */
export function parametersByPart(specs: Iterable<ParameterSpec>): PartCount[] {
  const counts = new Map<string, number>();
  for (const { name, shape } of specs) counts.set(partOf(name), (counts.get(partOf(name)) ?? 0) + sizeOf(shape));
  return Array.from(counts, ([part, parameters]) => ({ part, parameters }));
}

export function countParameters(specs: Iterable<Pick<ParameterSpec, 'shape'>>): number {
  let sum = 0;
  for (const { shape } of specs) sum += sizeOf(shape);
  return sum;
}
