import type { ByteSource, ReadOptions } from './byte-source.js';
import { refuseDamaged, refuseUnsafe } from './refusal.js';

/*
 * MessagePack (github.com/msgpack/msgpack/blob/master/spec.md), as far as Flax writes it, read in place: the data of
 * arrays is stepped over and stays in the file. Decoders of whole messages hold the file twice; ours holds its names.
 */

export type MsgpackValue = null | boolean | number | bigint | string | MsgpackRange | MsgpackExtension | readonly MsgpackValue[] | ReadonlyMap<string, MsgpackValue>;

/** Bytes that stay in the file. */
export interface MsgpackRange {
  readonly kind: 'bytes';
  readonly offset: number;
  readonly length: number;
}

/** An application's own type, its payload left in the file. */
export interface MsgpackExtension {
  readonly kind: 'extension';
  readonly type: number;
  readonly offset: number;
  readonly length: number;
}

/** A parameter tree has thousands of leaves and nests a dozen levels. */
const budget = { values: 1_000_000, depth: 64, textBytes: 64 << 10 };
const windowBytes = 64 << 10;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads one value that fills the bytes `[start, end)` of a file.
 * @throws TesseraeError `file-corrupt`, `file-unsafe` beyond the budget.
 */
export async function readMsgpack(source: ByteSource, start: number, end: number, options: ReadOptions = {}): Promise<MsgpackValue> {
  let window = new Uint8Array(0);
  let windowStart = start;
  let position = start;
  let values = 0;
  const refuse = (problem: string) => refuseDamaged(source.name, `${problem} at byte ${position}`);

  const need = (length: number) => {
    if (length > end - position) refuse(`it is truncated: a value of length ${length} is needed, but ${end - position} bytes are left`);
  };
  const view = async (length: number): Promise<DataView> => {
    need(length);
    if (position < windowStart || position + length > windowStart + window.length) {
      windowStart = position;
      window = new Uint8Array(await source.read(position, Math.min(Math.max(windowBytes, length), end - position), options));
    }
    const found = new DataView(window.buffer, window.byteOffset + position - windowStart, length);
    position += length;
    return found;
  };
  const uint8 = async () => (await view(1)).getUint8(0);
  const uint16 = async () => (await view(2)).getUint16(0);
  const uint32 = async () => (await view(4)).getUint32(0);
  const text = async (length: number): Promise<string> => {
    if (length > budget.textBytes) return refuse(`it has a text of length ${length}`);
    const { buffer, byteOffset } = await view(length);
    try {
      return utf8.decode(new Uint8Array(buffer, byteOffset, length));
    } catch {
      return refuse('it has a text that is not UTF-8');
    }
  };
  const range = (length: number): MsgpackRange => {
    need(length);
    position += length;
    return { kind: 'bytes', offset: position - length, length };
  };
  const extension = async (length: number): Promise<MsgpackExtension> => {
    const type = (await view(1)).getInt8(0);
    need(length);
    position += length;
    return { kind: 'extension', type, offset: position - length, length };
  };
  const list = async (count: number, depth: number): Promise<MsgpackValue> => {
    need(count);
    const items: MsgpackValue[] = [];
    for (let index = 0; index < count; index += 1) items.push(await value(depth + 1));
    return items;
  };
  const table = async (count: number, depth: number): Promise<MsgpackValue> => {
    need(count * 2);
    const entries = new Map<string, MsgpackValue>();
    for (let index = 0; index < count; index += 1) {
      const key = await value(depth + 1);
      if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint') return refuse('it has a key that is neither text nor number');
      if (entries.has(String(key))) return refuse(`it has the key '${key}' twice`);
      entries.set(String(key), await value(depth + 1));
    }
    return entries;
  };
  const whole = (number: bigint): number | bigint => (number >= BigInt(Number.MIN_SAFE_INTEGER) && number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : number);
  const value = async (depth: number): Promise<MsgpackValue> => {
    values += 1;
    if (values > budget.values) return refuseUnsafe(source.name, `it has more than ${budget.values} values`);
    if (depth > budget.depth) return refuseUnsafe(source.name, `it is nested deeper than ${budget.depth} levels`);
    const code = await uint8();
    if (code < 0x80) return code;
    if (code < 0x90) return table(code & 0x0f, depth);
    if (code < 0xa0) return list(code & 0x0f, depth);
    if (code < 0xc0) return text(code & 0x1f);
    if (code >= 0xe0) return code - 0x100;
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return range(await uint8());
      case 0xc5:
        return range(await uint16());
      case 0xc6:
        return range(await uint32());
      case 0xc7:
        return extension(await uint8());
      case 0xc8:
        return extension(await uint16());
      case 0xc9:
        return extension(await uint32());
      case 0xca:
        return (await view(4)).getFloat32(0);
      case 0xcb:
        return (await view(8)).getFloat64(0);
      case 0xcc:
        return uint8();
      case 0xcd:
        return uint16();
      case 0xce:
        return uint32();
      case 0xcf:
        return whole((await view(8)).getBigUint64(0));
      case 0xd0:
        return (await view(1)).getInt8(0);
      case 0xd1:
        return (await view(2)).getInt16(0);
      case 0xd2:
        return (await view(4)).getInt32(0);
      case 0xd3:
        return whole((await view(8)).getBigInt64(0));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return extension(1 << (code - 0xd4));
      case 0xd9:
        return text(await uint8());
      case 0xda:
        return text(await uint16());
      case 0xdb:
        return text(await uint32());
      case 0xdc:
        return list(await uint16(), depth);
      case 0xdd:
        return list(await uint32(), depth);
      case 0xde:
        return table(await uint16(), depth);
      case 0xdf:
        return table(await uint32(), depth);
      default:
        position -= 1;
        return refuse(`it has the code 0x${code.toString(16)}, which does not exist,`);
    }
  };
  const result = await value(0);
  return position === end ? result : refuse(`${end - position} bytes follow its value`);
}
