import { type FileHandle, open, stat } from 'node:fs/promises';
import type { WeightSource } from '../backend/index.js';
import { isTesseraeError, TesseraeError } from '../errors/index.js';
import type { HostArray } from '../tensor/index.js';
import {
  decodeSafetensor,
  encodeSafetensors,
  layOutSafetensors,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  type SafetensorsTensor,
  safetensorLength,
  safetensorsHeaderLength,
  safetensorsTypes,
} from '../weights/index.js';
import { writeFileAtomically } from './atomic-file.js';
import { missingFile } from './missing-file.js';

async function readExactly(handle: FileHandle, position: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, 1 << 30), position + done);
    if (bytesRead === 0) throw new TesseraeError('file-corrupt', `${path}: it ends at byte ${position + done}, ${length - done} bytes early.`, { remedy: 'Get the file again.' });
    done += bytesRead;
  }
  return bytes;
}

async function withFile<T>(path: string, use: (handle: FileHandle, length: number) => Promise<T>): Promise<T> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (cause) {
    return missingFile(path, cause);
  }
  try {
    return await use(handle, (await handle.stat()).size);
  } catch (cause) {
    // A folder can be opened but not read; a disk can fail in the middle.
    if (isTesseraeError(cause)) throw cause;
    return missingFile(path, cause);
  } finally {
    await handle.close();
  }
}

/** Only the header of a safetensors file. @throws TesseraeError `file-missing` or `file-corrupt`. */
export function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  return withFile(path, async (handle, fileLength) => {
    const headerLength = safetensorsHeaderLength(await readExactly(handle, 0, Math.min(8, fileLength), path), fileLength, path);
    return parseSafetensorsHeader(await readExactly(handle, 8, headerLength, path), fileLength, path);
  });
}

/** Weights in a file: the header is read now, tensors when they are asked for, or mapped by the engine. */
export async function openSafetensorsFile(path: string): Promise<WeightSource & { readonly metadata: Readonly<Record<string, string>> }> {
  const header = await readSafetensorsHeader(path);
  const entryOf = (name: string) => {
    const entry = header.entries.get(name);
    if (entry === undefined) throw new TesseraeError('model-incompatible', `${path} has no tensor '${name}'.`, { remedy: 'Use the weights that belong to this configuration.' });
    return entry;
  };
  return {
    types: safetensorsTypes(header),
    metadata: header.metadata,
    read: (name) => {
      const entry = entryOf(name);
      return withFile(path, async (handle) => decodeSafetensor(entry, await readExactly(handle, entry.byteOffset, entry.byteLength, path), path));
    },
    location(name) {
      const { dtype, byteOffset, byteLength } = entryOf(name);
      // Only what lies in the file as the graph wants it can be mapped.
      return dtype === 'F32' || dtype === 'I32' || dtype === 'BOOL' ? { path, byteOffset, byteLength } : undefined;
    },
  };
}

/** All tensors of a file. */
export async function readSafetensorsFile(path: string): Promise<{ readonly arrays: Map<string, HostArray>; readonly metadata: Readonly<Record<string, string>> }> {
  const source = await openSafetensorsFile(path);
  const arrays = new Map<string, HostArray>();
  for (const name of source.types.keys()) arrays.set(name, await source.read(name));
  return { arrays, metadata: source.metadata };
}

/** Writes arrays atomically. */
export function writeSafetensorsFile(path: string, arrays: ReadonlyMap<string, HostArray>, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  return writeFileAtomically(path, encodeSafetensors(arrays, metadata));
}

/** A tensor whose bytes, row-major and little-endian, are asked for when its turn to be written comes. */
export interface StreamedTensor extends SafetensorsTensor {
  read(): Promise<Uint8Array>;
  /** The same in pieces, preferred where there is it: for tensors that need not be in memory whole. */
  pieces?(): AsyncIterable<Uint8Array>;
  /** Told that it need not be read, as it is in the file already. */
  skipped?(): void;
}

/**
 * The bytes of a safetensors file behind its first `from`, each tensor read while the one before it is written: two of them are in memory at most.
 * Tensors that lie before are not read.
 */
export async function* streamSafetensors(tensors: readonly StreamedTensor[], metadata: Readonly<Record<string, string>> = {}, from = 0): AsyncIterable<Uint8Array> {
  const { head, ordered: all } = layOutSafetensors(tensors, metadata);
  let before = Math.max(0, from - head.length);
  const first = all.findIndex((tensor) => {
    const length = safetensorLength(tensor);
    if (length > before) return true;
    before -= length;
    tensor.skipped?.();
    return false;
  });
  const ordered = first < 0 ? [] : all.slice(first);
  const behind = (bytes: Uint8Array): Uint8Array => {
    const skipped = Math.min(before, bytes.length);
    before -= skipped;
    return bytes.subarray(skipped);
  };
  const begin = (index: number): Promise<Uint8Array> | undefined => {
    const tensor = ordered[index];
    const reading = tensor?.pieces === undefined ? tensor?.read() : undefined;
    // Looked at when its turn comes, which it does not if writing fails before.
    reading?.catch(() => undefined);
    return reading;
  };
  let reading = begin(0);
  if (from < head.length) yield head.subarray(from);
  for (const [index, { pieces }] of ordered.entries()) {
    const bytes: Uint8Array | undefined = await reading;
    reading = begin(index + 1);
    if (bytes !== undefined) yield behind(bytes);
    else if (pieces !== undefined) for await (const piece of pieces()) yield behind(piece);
  }
}

/** Writes tensors atomically, one by one, without holding them all. */
export function writeSafetensorsStream(path: string, tensors: readonly StreamedTensor[], metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  return writeFileAtomically(path, streamSafetensors(tensors, metadata));
}

/** Whether there is such a file. */
export async function fileExists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
