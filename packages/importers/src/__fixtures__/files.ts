import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ByteSource, bytesSource } from '../byte-source.js';

export const fixturesFolder = dirname(fileURLToPath(import.meta.url));

/** A fixture, in memory. */
export function fixture(path: string): ByteSource {
  return bytesSource(new Uint8Array(readFileSync(join(fixturesFolder, path))), path);
}

/** Where a peer's file is: here, or in the folder of the complete set. */
export function peerPath(path: string): string | undefined {
  const folders = [join(fixturesFolder, 'peers'), process.env.TESSERAE_PEER_FIXTURES];
  return folders.flatMap((folder) => (folder === undefined ? [] : [join(folder, path)])).find((candidate) => existsSync(candidate));
}
