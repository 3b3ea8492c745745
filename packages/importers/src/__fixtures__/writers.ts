import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../crc32.js';

/** Small, obvious writers: tests write the files they are about, right or wrong on purpose. */

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function fields(...values: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, [length]) => sum + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [length, value] of values) {
    if (length === 2) view.setUint16(at, value, true);
    if (length === 4) view.setUint32(at, value, true);
    if (length === 8) view.setBigUint64(at, BigInt(value), true);
    at += length;
  }
  return bytes;
}

export interface WrittenEntry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly deflate?: boolean;
  /** In place of the true checksum. */
  readonly crc?: number;
  /** In place of the true size, in the directory only. */
  readonly size?: number;
}

/** A ZIP archive; `zip64` writes sizes and offsets in the 64-bit fields. */
export function writeZip(entries: readonly WrittenEntry[], { zip64 = false }: { readonly zip64?: boolean } = {}): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (part: Uint8Array) => {
    parts.push(part);
    at += part.length;
  };
  for (const { name, content, deflate = false, crc = crc32(content, 0), size = content.length } of entries) {
    const stored = deflate ? new Uint8Array(deflateRawSync(content)) : content;
    const method = deflate ? 8 : 0;
    const offset = at;
    add(fields([4, 0x04034b50], [2, 20], [2, 0], [2, method], [4, 0], [4, crc], [4, stored.length], [4, content.length], [2, name.length], [2, 0]));
    add(ascii(name));
    add(stored);
    const wide = zip64 ? fields([2, 1], [2, 24], [8, size], [8, stored.length], [8, offset]) : new Uint8Array(0);
    const narrow = (value: number) => (zip64 ? 0xffffffff : value);
    directory.push(
      fields([4, 0x02014b50], [2, 20], [2, 20], [2, 0], [2, method], [4, 0], [4, crc], [4, narrow(stored.length)], [4, narrow(size)]),
      fields([2, name.length], [2, wide.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, narrow(offset)]),
      ascii(name),
      wide,
    );
  }
  const start = at;
  for (const part of directory) add(part);
  const length = at - start;
  if (zip64) {
    const end = at;
    add(fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, entries.length], [8, entries.length], [8, length], [8, start]));
    add(fields([4, 0x07064b50], [4, 0], [8, end], [4, 1]));
    add(fields([4, 0x06054b50], [2, 0], [2, 0], [2, 0xffff], [2, 0xffff], [4, 0xffffffff], [4, 0xffffffff], [2, 0]));
  } else add(fields([4, 0x06054b50], [2, 0], [2, 0], [2, entries.length], [2, entries.length], [4, length], [4, start], [2, 0]));
  return joinBytes(parts);
}

/** Opcodes of pickles by hand. Each gives the bytes of one value. */
export const write = {
  text: (value: string) => joinBytes([ascii('X'), fields([4, new TextEncoder().encode(value).length]), new TextEncoder().encode(value)]),
  int: (value: number) => joinBytes([ascii('J'), fields([4, value >>> 0])]),
  global: (module: string, name: string) => ascii(`c${module}\n${name}\n`),
  tuple: (...items: readonly Uint8Array[]) => joinBytes([ascii('('), ...items, ascii('t')]),
  list: (...items: readonly Uint8Array[]) => joinBytes([ascii(']('), ...items, ascii('e')]),
  dictionary: (entries: Readonly<Record<string, Uint8Array>>) =>
    joinBytes([ascii('}('), ...Object.entries(entries).flatMap(([key, value]) => [write.text(key), value]), ascii('u')]),
  call: (callable: Uint8Array, args: Uint8Array) => joinBytes([callable, args, ascii('R')]),
  /** An object of a class, with attributes. */
  object: (module: string, name: string, state: Uint8Array) => joinBytes([write.global(module, name), ascii(')\x81'), state, ascii('b')]),
  persistent: (id: Uint8Array) => joinBytes([id, ascii('Q')]),
  none: ascii('N'),
  true: ascii('\x88'),
  false: ascii('\x89'),
  pickle: (value: Uint8Array, protocol = 2) => joinBytes([ascii(`\x80${String.fromCharCode(protocol)}`), value, ascii('.')]),
};

export interface WrittenTensor {
  readonly storage: string;
  readonly type: string;
  readonly elements: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset?: number;
  readonly device?: string;
  /** Legacy files only: `undefined` leaves the sixth field out, `null` writes None. */
  readonly view?: readonly [key: string, offset: number, elements: number] | null;
}

/** A tensor as torch pickles it. */
export function writeTensor({ storage, type, elements, shape, strides, offset = 0, device = 'cpu', view }: WrittenTensor): Uint8Array {
  const viewField = view === undefined ? [] : [view === null ? write.none : write.tuple(write.text(view[0]), write.int(view[1]), write.int(view[2]))];
  const id = write.tuple(write.text('storage'), write.global('torch', `${type}Storage`), write.text(storage), write.text(device), write.int(elements), ...viewField);
  const hooks = write.call(write.global('collections', 'OrderedDict'), ascii(')'));
  const integers = (values: readonly number[]) => write.tuple(...values.map((value) => write.int(value)));
  return write.call(write.global('torch._utils', '_rebuild_tensor_v2'), write.tuple(write.persistent(id), write.int(offset), integers(shape), integers(strides), write.false, hooks));
}

/** A `torch.save` archive. */
export function writeTorchZip(value: Uint8Array, storages: Readonly<Record<string, Uint8Array>>, more: readonly WrittenEntry[] = []): Uint8Array {
  return writeZip([
    { name: 'archive/data.pkl', content: write.pickle(value) },
    ...more,
    ...Object.entries(storages).map(([key, content]) => ({ name: `archive/data/${key}`, content })),
    { name: 'archive/version', content: ascii('3\n') },
  ]);
}

/** A `torch.save` file from before 1.6. */
export function writeTorchLegacy(value: Uint8Array, storages: Readonly<Record<string, { readonly elements: number; readonly content: Uint8Array }>>, isLittleEndian = true): Uint8Array {
  const magic = joinBytes([ascii('\x8a\x0a'), Uint8Array.of(0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19)]);
  const length = (elements: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, BigInt(elements), isLittleEndian);
    return bytes;
  };
  return joinBytes([
    write.pickle(magic),
    write.pickle(write.int(1001)),
    write.pickle(write.dictionary({ little_endian: isLittleEndian ? write.true : write.false })),
    write.pickle(value),
    write.pickle(write.list(...Object.keys(storages).map((key) => write.text(key)))),
    ...Object.values(storages).flatMap(({ elements, content }) => [length(elements), content]),
  ]);
}

export function float32Bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** What Flax's serialization writes of one array: [shape, element type, bytes] as an extension. */
function flaxArray(shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const long = (mark: number, length: number): Uint8Array => {
    const head = new Uint8Array(5);
    head[0] = mark;
    new DataView(head.buffer).setUint32(1, length);
    return head;
  };
  const extents = shape.map((extent) => long(0xce, extent));
  const payload = joinBytes([Uint8Array.of(0x93, 0x90 + shape.length), ...extents, Uint8Array.of(0xa7), ascii('float32'), long(0xc6, bytes.length), bytes]);
  return joinBytes([long(0xc9, payload.length), Uint8Array.of(1), payload]);
}

export interface WrittenArray {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** A `flax_model.msgpack` of float32 tensors, by their names as Flax flattens them: `model/encoder/…/kernel`. */
export function writeFlax(tensors: ReadonlyMap<string, WrittenArray>): Uint8Array {
  const own = tensors.get('');
  if (own !== undefined) return flaxArray(own.shape, new Uint8Array(Float32Array.from(own.data).buffer));
  const children = new Map<string, Map<string, WrittenArray>>();
  for (const [name, tensor] of tensors) {
    const [key = '', ...rest] = name.split('/');
    children.set(key, (children.get(key) ?? new Map<string, WrittenArray>()).set(rest.join('/'), tensor));
  }
  const entries = Array.from(children, ([key, child]) => joinBytes([Uint8Array.of(0xd9, key.length), ascii(key), writeFlax(child)]));
  return joinBytes([Uint8Array.of(0xde, children.size >> 8, children.size & 255), ...entries]);
}
