import { TesseraeError } from '../errors/index.js';
import type { HostArray } from '../tensor/index.js';
import { type Shape, sizeOf } from '../tensor/index.js';
import { halfToNumber, halvesToFloats, numberToHalf } from './half-precision.js';

/** Element types of the format that we meet, and their bytes. */
const elementBytes = { BOOL: 1, U8: 1, I8: 1, F16: 2, BF16: 2, I16: 2, I32: 4, F32: 4, I64: 8, F64: 8 } as const;

export type SafetensorsDType = keyof typeof elementBytes;

export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: Shape;
  /** From the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own limit on headers (100 MB), so that a lying length cannot make us allocate. */
const largestHeader = 100_000_000;

function corrupt(file: string, problem: string, details?: Record<string, unknown>): never {
  throw new TesseraeError('file-corrupt', `${file}: ${problem}.`, {
    remedy: 'Get the file again; it is truncated, damaged or not a safetensors file.',
    ...(details === undefined ? {} : { details }),
  });
}

/** Bytes the header takes, from the first 8 bytes of a file of `fileLength` bytes. */
export function safetensorsHeaderLength(start: Uint8Array, fileLength: number, file: string): number {
  if (start.length < 8 || fileLength < 8) return corrupt(file, `it has only ${fileLength} bytes`);
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(largestHeader) || length > BigInt(fileLength - 8)) return corrupt(file, `its header claims ${length} bytes of a file of ${fileLength}`);
  return Number(length);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/**
 * Reads a header: `json` are the bytes after the first eight. Every tensor must lie inside the file, be as long as its
 * shape says, and overlap no other. @throws TesseraeError `file-corrupt` naming file and tensor.
 */
export function parseSafetensorsHeader(json: Uint8Array, fileLength: number, file: string): SafetensorsHeader {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    return corrupt(file, 'its header is not JSON');
  }
  if (!isRecord(parsed)) return corrupt(file, 'its header is not a JSON object');
  const dataStart = 8 + json.length;
  const entries = new Map<string, SafetensorsEntry>();
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '__metadata__') {
      if (!isRecord(value) || Object.values(value).some((item) => typeof item !== 'string')) return corrupt(file, 'its metadata is not a table of texts');
      metadata = value as Record<string, string>;
      continue;
    }
    if (!isRecord(value)) return corrupt(file, `tensor '${name}' is described by no object`);
    const { dtype, shape, data_offsets: offsets } = value;
    if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype))
      return corrupt(file, `tensor '${name}' has the element type ${JSON.stringify(dtype)}, which is not known`);
    if (!wholeNumbers(shape)) return corrupt(file, `tensor '${name}' has the shape ${JSON.stringify(shape)}`);
    if (!wholeNumbers(offsets) || offsets.length !== 2) return corrupt(file, `tensor '${name}' has the offsets ${JSON.stringify(offsets)}`);
    const [begin = 0, end = 0] = offsets;
    const needed = sizeOf(shape) * elementBytes[dtype as SafetensorsDType];
    if (end - begin !== needed) return corrupt(file, `tensor '${name}' of shape [${shape.join(', ')}] needs ${needed} bytes but has ${end - begin}`);
    if (dataStart + end > fileLength) return corrupt(file, `tensor '${name}' ends at byte ${dataStart + end} of a file of ${fileLength}`);
    entries.set(name, { name, dtype: dtype as SafetensorsDType, shape, byteOffset: dataStart + begin, byteLength: needed });
  }
  const ordered = [...entries.values()].sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  ordered.forEach((entry, index) => {
    const next = ordered[index + 1];
    if (next !== undefined && entry.byteOffset + entry.byteLength > next.byteOffset) corrupt(file, `tensors '${entry.name}' and '${next.name}' overlap`);
  });
  return { entries, metadata };
}

/** A tensor's bytes as an array: floats of any width become float32, whole numbers int32, both when they fit. */
export function decodeSafetensor(entry: SafetensorsEntry, bytes: Uint8Array, file: string): HostArray {
  const { dtype, shape, name } = entry;
  const size = sizeOf(shape);
  if (bytes.length !== entry.byteLength) return corrupt(file, `tensor '${name}' has ${bytes.length} bytes instead of ${entry.byteLength}`);
  // A copy of its own: aligned, and not holding the rest of the file in memory. Not `slice`, which does not copy Node's buffers.
  const own = new Uint8Array(bytes);
  const view = new DataView(own.buffer);
  const floats = (read: (index: number) => number): HostArray => ({ dtype: 'float32', shape, data: Float32Array.from({ length: size }, (_, index) => read(index)) });
  const integers = (read: (index: number) => number): HostArray => ({ dtype: 'int32', shape, data: Int32Array.from({ length: size }, (_, index) => read(index)) });
  switch (dtype) {
    case 'F32':
      return { dtype: 'float32', shape, data: new Float32Array(own.buffer) };
    case 'I32':
      return { dtype: 'int32', shape, data: new Int32Array(own.buffer) };
    case 'BOOL':
      return { dtype: 'bool', shape, data: own };
    case 'F16':
      return { dtype: 'float32', shape, data: halvesToFloats(view) };
    case 'BF16': {
      const widened = new Uint32Array(size);
      for (let index = 0; index < size; index += 1) widened[index] = view.getUint16(index * 2, true) << 16;
      return { dtype: 'float32', shape, data: new Float32Array(widened.buffer) };
    }
    case 'F64':
      return floats((index) => view.getFloat64(index * 8, true));
    case 'U8':
      return integers((index) => view.getUint8(index));
    case 'I8':
      return integers((index) => view.getInt8(index));
    case 'I16':
      return integers((index) => view.getInt16(index * 2, true));
    case 'I64':
      return integers((index) => {
        const value = view.getBigInt64(index * 8, true);
        if (BigInt.asIntN(32, value) !== value) return corrupt(file, `tensor '${name}' holds ${value}, which does not fit 32 bits`);
        return Number(value);
      });
    default:
      return dtype satisfies never;
  }
}

export interface EncodeSafetensorsOptions {
  /** How float32 arrays are stored. `float16` halves the file; it is rounded to nearest, and cannot be mapped by engines. Default float32. */
  readonly floats?: 'float32' | 'float16';
}

interface StoredTensor {
  readonly dtype: SafetensorsDType;
  readonly bytes: Uint8Array;
}

/** Numbers as half precision, rounded to nearest. @throws TesseraeError `numerical-failure` for one that half precision cannot hold. */
export function halfPrecisionBytes(name: string, data: ArrayLike<number>): Uint8Array {
  const half = new Uint8Array(data.length * 2);
  const view = new DataView(half.buffer);
  for (let index = 0; index < data.length; index += 1) {
    const value = data[index] ?? Number.NaN;
    const bits = numberToHalf(value);
    if (Number.isFinite(value) && !Number.isFinite(halfToNumber(bits))) {
      throw new TesseraeError('numerical-failure', `'${name}' holds ${value}, which is beyond half precision (65504).`, {
        remedy: 'Store the weights as float32.',
        details: { name, value },
      });
    }
    view.setUint16(index * 2, bits, true);
  }
  return half;
}

function stored(name: string, { dtype, data }: HostArray, floats: 'float32' | 'float16'): StoredTensor {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (dtype === 'int32') return { dtype: 'I32', bytes };
  if (dtype === 'bool') return { dtype: 'BOOL', bytes };
  return floats === 'float32' ? { dtype: 'F32', bytes } : { dtype: 'F16', bytes: halfPrecisionBytes(name, data) };
}

/** A tensor of a file that is to be written. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: Shape;
}

/** Bytes of a tensor in the file. */
export const safetensorLength = ({ shape, dtype }: Pick<SafetensorsTensor, 'shape' | 'dtype'>): number => sizeOf(shape) * elementBytes[dtype];

/**
 * The head of a safetensors file, and its tensors in the order in which their bytes follow it. The data begins at a
 * multiple of 64 bytes and every tensor at a multiple of its element's size, so that engines can map them in place.
 */
export function layOutSafetensors<T extends SafetensorsTensor>(
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>> = {},
): { readonly head: Uint8Array; readonly ordered: readonly T[] } {
  const header: Record<string, unknown> = Object.keys(metadata).length === 0 ? {} : { __metadata__: metadata };
  // Wide elements first: then no padding is needed between tensors, which some readers refuse.
  const ordered = [...tensors].sort((a, b) => elementBytes[b.dtype] - elementBytes[a.dtype]);
  let offset = 0;
  for (const { name, shape, dtype } of ordered) {
    const end = offset + safetensorLength({ shape, dtype });
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil((8 + json.length) / 64) * 64 - 8;
  const head = new Uint8Array(8 + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(json, 8);
  return { head, ordered };
}

/** Arrays as the bytes of a safetensors file (`layOutSafetensors`), in pieces to be written one after another. @throws TesseraeError `numerical-failure` for a weight that half precision cannot hold. */
export function encodeSafetensors(arrays: ReadonlyMap<string, HostArray>, metadata: Readonly<Record<string, string>> = {}, options: EncodeSafetensorsOptions = {}): Uint8Array[] {
  const { floats = 'float32' } = options;
  const { head, ordered } = layOutSafetensors(
    Array.from(arrays, ([name, array]) => ({ name, shape: array.shape, ...stored(name, array, floats) })),
    metadata,
  );
  return [head, ...ordered.map(({ bytes }) => bytes)];
}
