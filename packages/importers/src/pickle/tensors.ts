import { formatShape } from '@tesserae/core';
import type { ByteSource, ReadOptions } from '../byte-source.js';
import type { CheckpointTensor } from '../checkpoint.js';
import { elementBytes, swapBytes } from '../element-type.js';
import { refuseDamaged, refuseUnsupported } from '../refusal.js';
import { checkLayout, contiguousStrides, countElements, isContiguous, type ReadRange, readStrided, type StridedLayout } from '../strided.js';
import { type FoundTensor, findTensors } from './find-tensors.js';
import { type ArrayRecord, isKind, type PickleValue, type StorageReference, type TensorRecord } from './values.js';

/** Where a storage's bytes are. */
export interface StorageBytes {
  readonly size: number;
  readonly read: (offset: number, length: number, options: ReadOptions) => Promise<Uint8Array>;
  /** The same in pieces (`streamBytes`). */
  readonly stream: (offset: number, length: number, options: ReadOptions) => AsyncIterable<Uint8Array>;
}

export interface StorageFinder {
  /** Bytes of a storage. @throws TesseraeError when the file has none of that key. */
  find(storage: StorageReference, tensor: string): StorageBytes;
  readonly isBigEndian: boolean;
}

function numbersOf(value: PickleValue): number[] | undefined {
  if (!isKind(value, 'tuple') && !isKind(value, 'list')) return undefined;
  return value.items.map((item) => (typeof item === 'number' ? item : typeof item === 'bigint' ? Number(item) : Number.NaN));
}

/** Copies, because sources give views of their own bytes. */
function littleEndian(bytes: Uint8Array, width: number, isBigEndian: boolean): Uint8Array {
  if (!isBigEndian || width === 1) return bytes;
  const copy = new Uint8Array(bytes);
  swapBytes(copy, width);
  return copy;
}

function tensorFromStorage(path: readonly string[], record: TensorRecord, file: ByteSource, storages: StorageFinder): CheckpointTensor {
  const name = path.join('.');
  const { storage, dtype } = record;
  const width = elementBytes[dtype];
  const [shape, strides] = [numbersOf(record.shape), numbersOf(record.strides)];
  const ownOffset = typeof record.offset === 'bigint' ? Number(record.offset) : record.offset;
  if (shape === undefined || strides === undefined || typeof ownOffset !== 'number') return refuseDamaged(file.name, `tensor '${name}' has no shape, stride or offset of numbers`);
  if (storage.dtype !== undefined && storage.dtype !== dtype && elementBytes[storage.dtype] !== width)
    return refuseDamaged(file.name, `tensor '${name}' is ${dtype}, but its storage is ${storage.dtype}`);
  const bytes = storages.find(storage, name);
  // Untyped storages count bytes.
  const stored = storage.dtype === undefined ? Math.floor(storage.elements / width) : storage.elements;
  if (stored * width > bytes.size)
    return refuseDamaged(file.name, `tensor '${name}': its storage '${storage.key}' claims ${stored} elements of ${width} bytes, but only ${bytes.size} bytes are there`, {
      tensor: name,
      storage: storage.key,
    });
  const { view } = storage;
  if (view !== undefined && view.offset + view.elements > stored) return refuseDamaged(file.name, `tensor '${name}': its view of storage '${storage.key}' ends beyond it`);
  const own: StridedLayout = { shape, strides, offset: ownOffset };
  checkLayout(own, { elements: view?.elements ?? stored, width }, name, file);
  const layout = { ...own, offset: ownOffset + (view?.offset ?? 0) };
  return {
    name,
    file: file.name,
    path,
    shape,
    dtype,
    byteLength: countElements(shape) * width,
    storage: storage.key,
    async read(options = {}) {
      options.signal?.throwIfAborted();
      const read: ReadRange = (offset, length) => bytes.read(offset, length, options);
      return littleEndian(await readStrided(layout, width, read), width, storages.isBigEndian);
    },
    ...(isContiguous(layout) && !storages.isBigEndian
      ? {
          readRange: (offset: number, length: number, options: ReadOptions = {}) => bytes.read(layout.offset * width + offset, length, options),
          stream: (options: ReadOptions = {}) => bytes.stream(layout.offset * width, countElements(shape) * width, options),
        }
      : {}),
  };
}

function tensorFromArray(path: readonly string[], { content }: ArrayRecord, file: ByteSource, position: number): CheckpointTensor {
  const name = path.join('.');
  if (content === undefined) return refuseDamaged(file.name, `array '${name}' has no content`);
  const shape = numbersOf(content.shape);
  if (shape === undefined) return refuseDamaged(file.name, `array '${name}' has no shape of numbers`);
  const { dtype, isBigEndian, bytes, isFortran } = content;
  const width = elementBytes[dtype];
  const strides = isFortran ? contiguousStrides([...shape].reverse()).reverse() : contiguousStrides(shape);
  const layout: StridedLayout = { shape, strides, offset: 0 };
  checkLayout(layout, { elements: Math.floor(bytes.length / width), width }, name, file);
  if (countElements(shape) * width !== bytes.length) return refuseDamaged(file.name, `array '${name}' of shape ${formatShape(shape)} has ${bytes.length} bytes`);
  return {
    name,
    file: file.name,
    path,
    shape,
    dtype,
    byteLength: bytes.length,
    storage: `array ${position}`,
    read: async ({ signal } = {}) => {
      signal?.throwIfAborted();
      return littleEndian(await readStrided(layout, width, async (offset, length) => bytes.subarray(offset, offset + length)), width, isBigEndian);
    },
  };
}

/**
 * The tensors below a pickled value, each checked against its storage; none is read.
 * @throws TesseraeError `file-corrupt`, `file-unsafe`, or `model-incompatible` when there is none.
 */
export function tensorsOf(root: PickleValue, file: ByteSource, storages: StorageFinder): CheckpointTensor[] {
  const found = findTensors(root, file.name);
  if (found.length === 0) return refuseUnsupported(file.name, 'it holds no tensors');
  return found.map(({ path, record }: FoundTensor, position) => {
    // A file that is one bare tensor.
    const named = path.length === 0 ? ['tensor'] : path;
    return record.kind === 'tensor' ? tensorFromStorage(named, record, file, storages) : tensorFromArray(named, record, file, position);
  });
}
