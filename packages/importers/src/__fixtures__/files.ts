import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ByteSource, bytesSource } from '../byte-source.js';

export const fixturesFolder = dirname(fileURLToPath(import.meta.url));

/** A fixture, in memory. */
export function fixture(path: string): ByteSource {
  return bytesSource(new Uint8Array(readFileSync(join(fixturesFolder, path))), path);
}
