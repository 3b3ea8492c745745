import { dirname, join } from 'node:path';
import * as zlib from 'node:zlib';
import type { ReadOptions } from '../byte-source.js';
import type { Checkpoint } from '../checkpoint.js';
import type { Crc32 } from '../crc32.js';
import { openCheckpoint } from '../open-checkpoint.js';
import { fileSource } from './file-source.js';

/** Node has a native checksum since 20.15. */
const nativeCrc32: Crc32 | undefined = 'crc32' in zlib && typeof zlib.crc32 === 'function' ? (zlib.crc32 as Crc32) : undefined;

/**
 * Opens a checkpoint on the disk; shards that an index names are looked for in its folder, and nowhere else.
 * @throws TesseraeError `file-missing`, and as `openCheckpoint`.
 */
export async function openCheckpointFile(path: string, options: ReadOptions = {}): Promise<Checkpoint> {
  return openCheckpoint(await fileSource(path), { ...options, crc32: nativeCrc32, sibling: (name) => fileSource(join(dirname(path), name)) });
}
