import type { ByteSource, ReadOptions } from '../byte-source.js';
import type { Checkpoint } from '../checkpoint.js';
import { elementBytes } from '../element-type.js';
import { metadataOf } from '../pickle/metadata.js';
import { readPickle } from '../pickle/read-pickle.js';
import { type StorageBytes, tensorsOf } from '../pickle/tensors.js';
import { describeValue, isKind, type PickleValue, type StorageReference } from '../pickle/values.js';
import { refuseDamaged, refuseUnsupported } from '../refusal.js';
import { streamBytes } from '../stream-bytes.js';
import { resolvePersistentId } from './persistent-id.js';

/** torch/serialization.py, `MAGIC_NUMBER`. */
const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;

function moduleClass(value: PickleValue): { readonly moduleClass?: string } {
  return isKind(value, 'object') ? { moduleClass: value.className } : {};
}

/** A pickle that is not torch's: NumPy arrays in dictionaries. Its data lies in the pickle, which is held whole. */
function plainPickle(value: PickleValue, source: ByteSource, end: number): Checkpoint {
  if (end !== source.size) return refuseDamaged(source.name, `${source.size - end} bytes follow its pickle`);
  const tensors = tensorsOf(value, source, {
    isBigEndian: false,
    find: (_, tensor) => refuseDamaged(source.name, `tensor '${tensor}' has no storage`),
  });
  return { format: 'pickle', tensors, metadata: metadataOf(value, source.name), ...moduleClass(value) };
}

/**
 * Files of `torch.save` before 1.6 (torch/serialization.py, `_legacy_save`): five pickles one after another (magic number,
 * protocol, machine, the object, the storages' keys), then for every key its number of elements (8 bytes) and its data.
 * A file whose first pickle is something else is read as that pickle.
 * @throws TesseraeError `file-corrupt`, `file-unsafe`, `model-incompatible`.
 */
export async function openLegacyCheckpoint(source: ByteSource, options: ReadOptions = {}): Promise<Checkpoint> {
  const { name, size } = source;
  const magic = await readPickle(source, 0, undefined, options);
  if (magic.value !== magicNumber) return plainPickle(magic.value, source, magic.end);
  const protocol = await readPickle(source, magic.end, undefined, options);
  if (protocol.value !== protocolVersion) return refuseUnsupported(name, `it has the torch protocol ${describeValue(protocol.value)} instead of ${protocolVersion}`);
  const machine = await readPickle(source, protocol.end, undefined, options);
  const isLittleEndian = isKind(machine.value, 'dictionary') && machine.value.entries.get('little_endian');
  if (typeof isLittleEndian !== 'boolean') return refuseDamaged(name, 'it does not say its byte order');
  const needed = new Map<string, StorageReference>();
  const object = await readPickle(
    source,
    machine.end,
    (id, context) => {
      const value = resolvePersistentId(id, context);
      if (isKind(value, 'storage')) {
        const before = needed.get(value.key);
        if (before !== undefined && (before.dtype !== value.dtype || before.elements !== value.elements)) return context.damaged(`describes storage '${value.key}' in two ways`);
        needed.set(value.key, value);
      }
      return value;
    },
    options,
  );
  const keys = await readPickle(source, object.end, undefined, options);
  if (!isKind(keys.value, 'list')) return refuseDamaged(name, 'it has no list of storages');
  const storages = new Map<string, StorageBytes>();
  let at = keys.end;
  for (const item of keys.value.items) {
    const key = typeof item === 'string' || typeof item === 'number' || typeof item === 'bigint' ? String(item) : refuseDamaged(name, 'it lists a storage without a key');
    const storage = needed.get(key) ?? refuseDamaged(name, `its storage '${key.slice(0, 200)}' belongs to no tensor`);
    if (storages.has(key)) return refuseDamaged(name, `it has two storages '${key.slice(0, 200)}'`);
    const head = await source.read(at, 8, options);
    const elements = new DataView(head.buffer, head.byteOffset, 8).getBigInt64(0, isLittleEndian);
    const width = storage.dtype === undefined ? 1 : elementBytes[storage.dtype];
    if (elements !== BigInt(storage.elements))
      return refuseDamaged(name, `its storage '${key}' at byte ${at} claims ${elements} elements, but its tensors say ${storage.elements}`);
    const start = at + 8;
    at = start + storage.elements * width;
    if (at > size) return refuseDamaged(name, `it is truncated: its storage '${key}' ends at byte ${at}, the file at ${size}`);
    storages.set(key, {
      size: storage.elements * width,
      read: (offset, length, reading) => source.read(start + offset, length, reading),
      stream: (offset, length, reading) => streamBytes(source, start + offset, length, reading),
    });
  }
  if (at !== size) return refuseDamaged(name, `${size - at} bytes follow its last storage`);
  const tensors = tensorsOf(object.value, source, {
    isBigEndian: !isLittleEndian,
    find: (storage, tensor) => storages.get(storage.key) ?? refuseDamaged(name, `tensor '${tensor}': its storage '${storage.key.slice(0, 200)}' is not in the file`),
  });
  return { format: 'pytorch-legacy', tensors, metadata: metadataOf(object.value, name), ...moduleClass(object.value) };
}
