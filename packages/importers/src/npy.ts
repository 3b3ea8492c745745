import { formatShape } from '@tesserae/core';
import type { ByteSource, ReadOptions } from './byte-source.js';
import type { Checkpoint, CheckpointTensor } from './checkpoint.js';
import { type ElementType, elementBytes, swapBytes } from './element-type.js';
import { parseNumpyType } from './pickle/numpy.js';
import { refuseDamaged, refuseUnsafe, refuseUnsupported } from './refusal.js';
import { contiguousStrides, countElements, readStrided } from './strided.js';

/** numpy/lib/format.py: magic, version (1 byte each), header length (2 bytes, from version 2 on 4), header, data. */
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** NumPy itself refuses longer headers (format.py, `_MAX_HEADER_SIZE`). */
const largestHeader = 10_000;

/** Bytes that surely hold the header. */
export const npyStartBytes = 12 + largestHeader;

export function looksLikeNpy(start: Uint8Array): boolean {
  return magic.every((byte, index) => start[index] === byte);
}

export interface NpyHeader {
  readonly dtype: ElementType;
  readonly isBigEndian: boolean;
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  readonly dataOffset: number;
}

/** `(3, 4)`, `(3,)`, `()`; Python 2 wrote `3L`. */
function parseShape(text: string): number[] | undefined {
  const inner = text.slice(1, -1).trim().replace(/,$/, '');
  if (inner === '') return [];
  const parts = inner.split(',').map((part) => /^\s*(\d{1,15})L?\s*$/.exec(part)?.[1]);
  return parts.every((part) => part !== undefined) ? parts.map(Number) : undefined;
}

/**
 * The header at the start of a `.npy` of `size` bytes. It is a Python literal with exactly three keys; it is matched, not evaluated.
 * @throws TesseraeError `file-corrupt`, `model-incompatible` for element types that are not read, `file-unsafe` for arrays of Python objects.
 */
export function parseNpyHeader(start: Uint8Array, size: number, file: string): NpyHeader {
  if (!looksLikeNpy(start) || start.length < 10) return refuseDamaged(file, 'it is no .npy array');
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) return refuseDamaged(file, `it has the .npy version ${version}, which does not exist`);
  const headerOffset = version === 1 ? 10 : 12;
  if (start.length < headerOffset) return refuseDamaged(file, 'its header is cut short');
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > largestHeader) return refuseUnsafe(file, `its header has the size ${length}; at most ${largestHeader} are read`);
  const dataOffset = headerOffset + length;
  if (dataOffset > start.length) return refuseDamaged(file, `its header claims ${length} bytes of ${start.length - headerOffset}`);
  const header = String.fromCharCode(...start.subarray(headerOffset, dataOffset));
  const fields = new Map<string, string>();
  const body = /^\s*\{(.*)\}\s*$/s.exec(header)?.[1] ?? refuseDamaged(file, 'its header is no dictionary');
  const rest = body.replace(/\s*'(\w+)'\s*:\s*('[^']*'|True|False|\([^()]*\)|\[[^\]]*\])\s*(?:,|$)/g, (_, key: string, value: string) => {
    if (fields.has(key)) refuseDamaged(file, `its header has '${key}' twice`);
    fields.set(key, value);
    return '';
  });
  const [descriptor, order, shapeText] = [fields.get('descr'), fields.get('fortran_order'), fields.get('shape')];
  if (rest.trim() !== '' || fields.size !== 3 || descriptor === undefined || (order !== 'True' && order !== 'False') || !shapeText?.startsWith('('))
    return refuseDamaged(file, `its header is ${JSON.stringify(header.trim().slice(0, 200))}`);
  const code = descriptor.slice(1, -1);
  if (/^[<>|=]?O/.test(code)) return refuseUnsafe(file, 'it is an array of Python objects, which are pickled code');
  const type = descriptor.startsWith("'") ? parseNumpyType(code) : undefined;
  if (type === undefined) return refuseUnsupported(file, `its elements are of type ${descriptor.slice(0, 100)}, which is not read`);
  const shape = parseShape(shapeText) ?? refuseDamaged(file, `its shape is ${shapeText.slice(0, 100)}`);
  if (shape.length > 32) return refuseDamaged(file, `it has ${shape.length} dimensions`);
  const needed = countElements(shape) * elementBytes[type.dtype];
  if (needed !== size - dataOffset) return refuseDamaged(file, `it is ${type.dtype} of shape ${formatShape(shape)}, which needs ${needed} bytes, but has ${size - dataOffset}`);
  return { ...type, isFortran: order === 'True', shape, dataOffset };
}

/** An array as a tensor. `read` gives bytes of the `.npy`, header included. */
export function npyTensor(file: string, name: string, header: NpyHeader, read: (offset: number, length: number, options: ReadOptions) => Promise<Uint8Array>): CheckpointTensor {
  const { dtype, shape, isFortran, isBigEndian, dataOffset } = header;
  const width = elementBytes[dtype];
  const strides = isFortran ? contiguousStrides([...shape].reverse()).reverse() : contiguousStrides(shape);
  return {
    name,
    file,
    path: [name],
    shape,
    dtype,
    byteLength: countElements(shape) * width,
    storage: name,
    async read(options = {}) {
      options.signal?.throwIfAborted();
      const bytes = await readStrided({ shape, strides, offset: 0 }, width, (offset, length) => read(dataOffset + offset, length, options));
      if (!isBigEndian) return bytes;
      const copy = new Uint8Array(bytes);
      swapBytes(copy, width);
      return copy;
    },
  };
}

/** One array; it has no name in the file and is called `array`. @throws TesseraeError as `parseNpyHeader`. */
export async function openNpy(source: ByteSource, options: ReadOptions = {}): Promise<Checkpoint> {
  const header = parseNpyHeader(await source.read(0, Math.min(npyStartBytes, source.size), options), source.size, source.name);
  return { format: 'npy', metadata: new Map(), tensors: [npyTensor(source.name, 'array', header, (offset, length, reading) => source.read(offset, length, reading))] };
}
