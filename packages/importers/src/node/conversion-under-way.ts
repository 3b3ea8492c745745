import { createHash } from 'node:crypto';
import { readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeFileAtomically } from '@tesserae/core/node';
import type { PlannedPart } from '../plan-conversion.js';
import { type FloatType, writtenType } from '../tensor-bytes.js';

/** Says of which conversion an unfinished folder is. */
const markOf = (partial: string): string => join(partial, 'conversion.txt');

/**
 * What makes a conversion the same as an interrupted one: sources of the same path, size and time of change, and the same tensors, configurations and
 * types to be made of them.
 */
export async function conversionIdentity(planned: readonly PlannedPart[], floats: FloatType | undefined, sourcePaths: Iterable<string>): Promise<string> {
  const sources: unknown[] = [];
  for (const path of sourcePaths) {
    const { size, mtimeMs } = await stat(path);
    sources.push([resolve(path), size, mtimeMs]);
  }
  const parts = planned.map(({ part, family, configuration, tensors }) => [
    part,
    family,
    configuration,
    tensors.map((tensor) => [tensor.path, tensor.shape, tensor.source.path, tensor.transform, writtenType(tensor.source, floats)]),
  ]);
  return createHash('sha256')
    .update(JSON.stringify([sources, parts]))
    .digest('hex');
}

/** Keeps an unfinished folder of the same conversion, and clears any other away. */
export async function beginConversion(partial: string, identity: string): Promise<void> {
  const mark = await readFile(markOf(partial), 'utf8').catch(() => undefined);
  if (mark === identity) return;
  await rm(partial, { recursive: true, force: true });
  await writeFileAtomically(markOf(partial), identity);
}

/** The folder is whole, and no conversion's any more. */
export const finishConversion = (partial: string): Promise<void> => rm(markOf(partial), { force: true });
