import { parseSafetensorsHeader, safetensorsHeaderLength } from '@tesserae/core';
import type { ByteSource, ReadOptions } from './byte-source.js';
import type { Checkpoint } from './checkpoint.js';
import { streamBytes } from './stream-bytes.js';

/** Eight bytes of header length, then JSON. */
export function looksLikeSafetensors(start: Uint8Array, size: number): boolean {
  if (start.length < 9 || start[8] !== 0x7b) return false;
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  // The length of any header that a disk could hold has zeros where texts have letters.
  return length <= BigInt(size) || (start[6] === 0 && start[7] === 0);
}

/** @throws TesseraeError `file-corrupt`. */
export async function openSafetensors(source: ByteSource, options: ReadOptions = {}): Promise<Checkpoint> {
  const headerLength = safetensorsHeaderLength(await source.read(0, Math.min(8, source.size), options), source.size, source.name);
  const header = parseSafetensorsHeader(await source.read(8, headerLength, options), source.size, source.name);
  return {
    format: 'safetensors',
    metadata: new Map(Object.entries(header.metadata)),
    tensors: Array.from(header.entries.values(), ({ name, shape, dtype, byteOffset, byteLength }) => ({
      name,
      file: source.name,
      path: [name],
      shape,
      dtype,
      byteLength,
      storage: name,
      read: (reading) => source.read(byteOffset, byteLength, reading),
      readRange: (offset, length, reading) => source.read(byteOffset + offset, length, reading),
      stream: (reading) => streamBytes(source, byteOffset, byteLength, reading),
    })),
  };
}
