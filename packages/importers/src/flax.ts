import { formatShape } from '@tesserae/core';
import type { ByteSource, ReadOptions } from './byte-source.js';
import type { Checkpoint, CheckpointTensor, MetadataValue } from './checkpoint.js';
import { type ElementType, elementBytes, elementTypesByName } from './element-type.js';
import { type MsgpackExtension, type MsgpackRange, type MsgpackValue, readMsgpack } from './msgpack.js';
import { refuseDamaged, refuseUnsupported } from './refusal.js';
import { streamBytes } from './stream-bytes.js';
import { countElements } from './strided.js';

/** flax/serialization.py, `_MsgpackExtType`: arrays, Python's complex numbers, NumPy scalars. */
const extensionTypes = { array: 1, complex: 2, scalar: 3 } as const;

/** flax/serialization.py, `_chunk`: arrays too long for one MessagePack value are a table of flat pieces. */
const chunkedMark = '__msgpack_chunked_array__';

function isTable(value: MsgpackValue | undefined): value is ReadonlyMap<string, MsgpackValue> {
  return value instanceof Map;
}

function isExtension(value: MsgpackValue | undefined): value is MsgpackExtension {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'extension';
}

function isRange(value: MsgpackValue | undefined): value is MsgpackRange {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'bytes';
}

interface StoredArray {
  readonly shape: readonly number[];
  readonly dtype: ElementType;
  /** Row-major, little-endian, one after another. */
  readonly pieces: readonly MsgpackRange[];
}

function isShape(value: MsgpackValue | readonly MsgpackValue[] | undefined): value is readonly number[] {
  return Array.isArray(value) && value.length <= 32 && value.every((extent) => typeof extent === 'number' && Number.isSafeInteger(extent) && extent >= 0);
}

/** The payload of an array: [shape, element type, bytes]. */
async function readArrayHead(source: ByteSource, { offset, length }: MsgpackExtension, name: string, options: ReadOptions): Promise<StoredArray> {
  const payload = await readMsgpack(source, offset, offset + length, options);
  const [shape, type, content] = Array.isArray(payload) && payload.length === 3 ? (payload as readonly MsgpackValue[]) : [];
  if (!isShape(shape) || typeof type !== 'string' || !isRange(content)) return refuseDamaged(source.name, `tensor '${name}' at byte ${offset} is no [shape, type, bytes]`);
  const dtype = elementTypesByName.get(type);
  if (dtype === undefined) return refuseUnsupported(source.name, `tensor '${name}' has elements of type '${type.slice(0, 50)}', which are not read`);
  const needed = countElements(shape) * elementBytes[dtype];
  if (needed !== content.length) return refuseDamaged(source.name, `tensor '${name}' of shape ${formatShape(shape)} needs ${needed} bytes, but has ${content.length}`);
  return { shape, dtype, pieces: [content] };
}

/** {'0': a, '1': b} → [a, b]: how Flax writes tuples. */
function tupleOf(value: MsgpackValue | undefined): MsgpackValue[] | undefined {
  if (!isTable(value)) return undefined;
  const items = Array.from({ length: value.size }, (_, index) => value.get(String(index)));
  return items.every((item) => item !== undefined) ? items : undefined;
}

async function readChunkedHead(source: ByteSource, table: ReadonlyMap<string, MsgpackValue>, name: string, options: ReadOptions): Promise<StoredArray> {
  const [shape, chunks] = [tupleOf(table.get('shape')), tupleOf(table.get('chunks'))];
  if (!isShape(shape) || chunks === undefined || !chunks.every(isExtension)) return refuseDamaged(source.name, `tensor '${name}' is in pieces, but has no shape and pieces`);
  const heads: StoredArray[] = [];
  for (const chunk of chunks) {
    if (chunk.type !== extensionTypes.array) return refuseDamaged(source.name, `tensor '${name}' has a piece that is no array`);
    heads.push(await readArrayHead(source, chunk, name, options));
  }
  const dtype = heads[0]?.dtype;
  if (dtype === undefined || heads.some((head) => head.dtype !== dtype)) return refuseDamaged(source.name, `tensor '${name}' has pieces of several types`);
  const pieces = heads.flatMap((head) => head.pieces);
  const [needed, found] = [countElements(shape) * elementBytes[dtype], pieces.reduce((sum, { length }) => sum + length, 0)];
  return needed === found
    ? { shape, dtype, pieces }
    : refuseDamaged(source.name, `tensor '${name}' of shape ${formatShape(shape)} needs ${needed} bytes, but its pieces have ${found}`);
}

function tensorOf(path: readonly string[], { shape, dtype, pieces }: StoredArray, source: ByteSource): CheckpointTensor {
  const name = path.join('/');
  const byteLength = countElements(shape) * elementBytes[dtype];
  const [only, ...more] = pieces;
  const readRange = async (from: number, count: number, options: ReadOptions = {}): Promise<Uint8Array> => {
    if (only !== undefined && more.length === 0) return source.read(only.offset + from, count, options);
    const joined = new Uint8Array(count);
    let start = 0;
    for (const { offset, length } of pieces) {
      const [first, last] = [Math.max(from, start), Math.min(from + count, start + length)];
      if (first < last) joined.set(await source.read(offset + first - start, last - first, options), first - from);
      start += length;
    }
    return joined;
  };
  return {
    name,
    file: source.name,
    path,
    shape,
    dtype,
    byteLength,
    storage: name,
    read: (options) => readRange(0, byteLength, options),
    readRange,
    async *stream(options = {}) {
      for (const { offset, length } of pieces) yield* streamBytes(source, offset, length, options);
    },
  };
}

/** A map of MessagePack whose first key is a text, which every tree of parameters is; an empty one is taken for a pickle. */
export function looksLikeMsgpack(start: Uint8Array): boolean {
  const [first = 0] = start;
  const keyOffset = first > 0x80 && first <= 0x8f ? 1 : first === 0xde ? 3 : first === 0xdf ? 5 : -1;
  const key = start[keyOffset] ?? 0;
  return (key >= 0xa0 && key <= 0xbf) || (key >= 0xd9 && key <= 0xdb);
}

/**
 * Parameter trees of Flax (`flax_model.msgpack`). Tensors are named as Flax flattens them: `model/encoder/…/kernel`.
 * @throws TesseraeError `file-corrupt`, `file-unsafe`, `model-incompatible`.
 */
export async function openFlax(source: ByteSource, options: ReadOptions = {}): Promise<Checkpoint> {
  const root = await readMsgpack(source, 0, source.size, options);
  if (!isTable(root)) return refuseDamaged(source.name, 'it is no tree of parameters');
  const tensors: CheckpointTensor[] = [];
  const convert = async (value: MsgpackValue, path: readonly string[]): Promise<MetadataValue | undefined> => {
    const name = path.join('/');
    if (isExtension(value)) {
      if (value.type !== extensionTypes.array && value.type !== extensionTypes.scalar)
        return refuseUnsupported(source.name, `'${name}' at byte ${value.offset} is a value of extension type ${value.type}, which is not read`);
      tensors.push(tensorOf(path, await readArrayHead(source, value, name, options), source));
      return undefined;
    }
    if (isRange(value)) return { opaque: `${value.length} bytes` };
    if (isTable(value)) {
      if (value.get(chunkedMark) === true) {
        tensors.push(tensorOf(path, await readChunkedHead(source, value, name, options), source));
        return undefined;
      }
      const table = new Map<string, MetadataValue>();
      for (const [key, item] of value) {
        const converted = await convert(item, [...path, key]);
        if (converted !== undefined) table.set(key, converted);
      }
      return table.size === 0 && value.size > 0 ? undefined : table;
    }
    if (Array.isArray(value)) {
      const items: MetadataValue[] = [];
      for (const [index, item] of (value as readonly MsgpackValue[]).entries()) {
        const converted = await convert(item, [...path, String(index)]);
        if (converted !== undefined) items.push(converted);
      }
      return items.length === 0 && value.length > 0 ? undefined : items;
    }
    return value as null | boolean | number | bigint | string;
  };
  const metadata = await convert(root, []);
  if (tensors.length === 0) return refuseUnsupported(source.name, 'it holds no tensors');
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) return refuseDamaged(source.name, `two tensors are named '${name}'`);
    names.add(name);
  }
  return { format: 'flax-msgpack', tensors, metadata: metadata instanceof Map ? metadata : new Map() };
}
