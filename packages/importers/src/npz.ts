import type { ByteSource, ReadOptions } from './byte-source.js';
import type { Checkpoint, CheckpointTensor } from './checkpoint.js';
import { npyStartBytes, npyTensor, parseNpyHeader } from './npy.js';
import { refuseDamaged } from './refusal.js';
import type { ZipEntry } from './zip.js';

/**
 * NumPy archives: a ZIP of `.npy`, stored (`savez`) or deflated (`savez_compressed`). Tensors are named as the entries.
 * A deflated tensor is inflated when it is read, whole.
 * @throws TesseraeError as for `.npy`; `file-corrupt` for anything in the archive that is no array.
 */
export async function openNpz(source: ByteSource, entries: ReadonlyMap<string, ZipEntry>, options: ReadOptions = {}): Promise<Checkpoint> {
  const tensors: CheckpointTensor[] = [];
  for (const entry of entries.values()) {
    options.signal?.throwIfAborted();
    if (!entry.name.endsWith('.npy')) return refuseDamaged(source.name, `its entry '${entry.name}' is no array`);
    const header = parseNpyHeader(await entry.readStart(npyStartBytes, options), entry.size, `${source.name}, entry '${entry.name}'`);
    tensors.push(npyTensor(source.name, entry.name.slice(0, -'.npy'.length), header, (offset, length, reading) => entry.read(offset, length, reading)));
  }
  return { format: 'npz', tensors, metadata: new Map() };
}
