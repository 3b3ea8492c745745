import type { ByteSource, ReadOptions } from './byte-source.js';
import type { Checkpoint } from './checkpoint.js';
import type { Crc32 } from './crc32.js';
import { looksLikeMsgpack, openFlax } from './flax.js';
import { looksLikeNpy, openNpy } from './npy.js';
import { openNpz } from './npz.js';
import { refuseDamaged, refuseUnsupported } from './refusal.js';
import { looksLikeSafetensors, openSafetensors } from './safetensors.js';
import { openSharded, type SiblingOpener } from './sharded.js';
import { openLegacyCheckpoint } from './torch/legacy-checkpoint.js';
import { openTorchZip, torchRoot } from './torch/zip-checkpoint.js';
import { looksLikeZip, openZip } from './zip.js';

export interface OpenCheckpointOptions extends ReadOptions {
  /** Opens the shards that an index names. Without it, indices are refused. */
  readonly sibling?: SiblingOpener;
  /** A faster checksum than the built-in one, such as Node's `zlib.crc32`. */
  readonly crc32?: Crc32 | undefined;
}

function startsWith(bytes: Uint8Array, text: string, offset = 0): boolean {
  return Array.from(text).every((character, index) => bytes[offset + index] === character.charCodeAt(0));
}

/** First opcodes of pickles: PROTO since protocol 2; before it a mark, a name, a container or a text. */
function looksLikePickle([first = 0]: Uint8Array): boolean {
  return first === 0x80 || '(c]})dlSVXUKMJIFGN'.includes(String.fromCharCode(first));
}

async function openArchive(source: ByteSource, options: OpenCheckpointOptions): Promise<Checkpoint> {
  const entries = await openZip(source, options);
  const root = torchRoot(entries);
  if (root !== undefined) return openTorchZip(source, entries, root, options);
  if ([...entries.keys()].some((name) => name.endsWith('.npy'))) return openNpz(source, entries, options);
  return refuseDamaged(source.name, 'it is a zip archive, but has neither the data.pkl of PyTorch nor arrays of NumPy');
}

/**
 * Opens another system's checkpoint. What it is, its bytes say, not its name. Only directories and headers are read;
 * tensors when they are asked for, so that memory is bounded by the largest tensor. Nothing of the file is ever run:
 * pickles go through a machine that knows a list of harmless names and refuses everything else.
 *
 * @throws TesseraeError `file-unsafe` for a file that asks to run code or to fill the memory (the message names what was
 * refused and where), `file-corrupt` for one that is damaged or no checkpoint, `model-incompatible` for a sound one that
 * is not read here, `invalid-argument` for an index of shards without `sibling`.
 */
export async function openCheckpoint(source: ByteSource, options: OpenCheckpointOptions = {}): Promise<Checkpoint> {
  const { name, size } = source;
  if (size === 0) return refuseDamaged(name, 'it is empty');
  const start = await source.read(0, Math.min(512, size), options);
  if (looksLikeZip(start)) return openArchive(source, options);
  if (looksLikeNpy(start)) return openNpy(source, options);
  if (looksLikeSafetensors(start, size)) return openSafetensors(source, options);
  if (startsWith(start, 'ustar', 257)) return refuseUnsupported(name, 'it is a tar archive, which torch wrote until 2017 or which holds other files');
  if (startsWith(start, '\u0089HDF')) return refuseUnsupported(name, 'it is an HDF5 file');
  if (/^\s*\{/.test(new TextDecoder('latin1').decode(start))) {
    const { sibling, ...others } = options;
    return openSharded(source, sibling, (shard) => openCheckpoint(shard, others), options);
  }
  if (looksLikeMsgpack(start)) return openFlax(source, options);
  if (looksLikePickle(start)) return openLegacyCheckpoint(source, options);
  return refuseDamaged(name, 'it is not a checkpoint of a known kind');
}
