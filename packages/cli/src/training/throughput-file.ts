import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '@tesserae/core/node';
import type { Throughput } from './throughput.js';

const fileIn = (folder: string): string => join(folder, 'throughput.json');

/** Writes how fast a training went beside its metrics. */
export function writeThroughput(folder: string, throughput: Throughput): Promise<void> {
  return writeFileAtomically(fileIn(folder), `${JSON.stringify(throughput, null, 2)}\n`);
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** How fast the training of a folder went; undefined where nothing, or nothing readable, was written. */
export async function readThroughput(folder: string): Promise<Throughput | undefined> {
  let source: unknown;
  try {
    source = JSON.parse(await readFile(fileIn(folder), 'utf8'));
  } catch {
    return undefined;
  }
  if (typeof source !== 'object' || source === null) return undefined;
  const { unit, seen, perSecond, flopsPerSecond, utilisation } = source as Readonly<Record<string, unknown>>;
  if ((unit !== 'tokens' && unit !== 'pictures') || !isNumber(seen) || !isNumber(perSecond) || !isNumber(flopsPerSecond)) return undefined;
  return { unit, seen, perSecond, flopsPerSecond, ...(isNumber(utilisation) ? { utilisation } : {}) };
}
