import { isTesseraeError } from '@tesserae/core';
import { Inflate } from 'fflate';
import { type ByteSource, checkRange, type ReadOptions } from './byte-source.js';
import { type Crc32, crc32 as ownCrc32 } from './crc32.js';
import { refuseDamaged, refuseUnsafe, refuseUnsupported } from './refusal.js';
import { pieceBytes, streamBytes } from './stream-bytes.js';

/*
 * ZIP archives, read in place (PKWARE APPNOTE 6.3; section numbers below are its own). Written here because the archive
 * itself is the attack: what we need of it is small (stored and deflated entries, ZIP64), and general readers do not
 * refuse what a checkpoint must not have: doubled names, overlapping entries, two directories that disagree, sizes
 * that only the header believes. Inflation is fflate's.
 */

export interface ZipEntry {
  readonly name: string;
  /** Of the content. */
  readonly size: number;
  /** Content bytes `[offset, offset + length)`. Reading the whole also checks its checksum. @throws TesseraeError `file-corrupt`. */
  read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array>;
  /** The same in pieces (`streamBytes`); the checksum of the whole is looked at behind the last one. */
  stream(offset: number, length: number, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** The first bytes, at most `length`, without a checksum: for headers. */
  readStart(length: number, options?: ReadOptions): Promise<Uint8Array>;
}

export interface ZipOptions extends ReadOptions {
  readonly crc32?: Crc32 | undefined;
}

/** The directory of an archive of tens of thousands of tensors takes some 5 MB. */
const largestDirectory = 32 << 20;
/** Weights deflate by a tenth or so; an entry that promises more than 32 times its bytes must be small. */
const largestInflation = { ratio: 32, bytes: 16 << 20 };

const unsetWord = 0xffff;
const unsetLong = 0xffffffff;

interface DirectoryEnd {
  readonly entries: number;
  readonly size: number;
  readonly offset: number;
  /** Where the directory must have ended. */
  readonly limit: number;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function uint64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

/** The end-of-directory record (4.3.16), or its ZIP64 form (4.3.14), looked for from the end of the file. */
async function findDirectoryEnd(source: ByteSource, options: ReadOptions): Promise<DirectoryEnd> {
  const tailLength = Math.min(source.size, 22 + unsetWord);
  const tailStart = source.size - tailLength;
  const tail = await source.read(tailStart, tailLength, options);
  const view = viewOf(tail);
  let at = tail.length - 22;
  while (at >= 0 && !(view.getUint32(at, true) === 0x06054b50 && at + 22 + view.getUint16(at + 20, true) === tail.length)) at -= 1;
  if (at < 0) return refuseDamaged(source.name, 'it is a zip archive without a central directory: it is truncated');
  const disks = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
  const entries = view.getUint16(at + 10, true);
  const size = view.getUint32(at + 12, true);
  const offset = view.getUint32(at + 16, true);
  const limit = tailStart + at;
  const isSaturated = entries === unsetWord || size === unsetLong || offset === unsetLong;
  if (!isSaturated && disks.some((disk) => disk !== 0)) return refuseUnsupported(source.name, 'it is one disk of an archive in several');
  if (limit >= 20) {
    const locator = viewOf(await source.read(limit - 20, 20, options));
    if (locator.getUint32(0, true) === 0x07064b50) {
      const position = uint64(locator, 8);
      checkRange(source, position, 56);
      const wide = viewOf(await source.read(position, 56, options));
      if (wide.getUint32(0, true) !== 0x06064b50) return refuseDamaged(source.name, `its ZIP64 end of directory is not at byte ${position}`);
      const found = { entries: uint64(wide, 32), size: uint64(wide, 40), offset: uint64(wide, 48), limit: position };
      const differ = [
        [entries, found.entries, unsetWord],
        [size, found.size, unsetLong],
        [offset, found.offset, unsetLong],
      ].some(([narrow, exact, unset]) => narrow !== unset && narrow !== exact);
      return differ ? refuseUnsafe(source.name, 'it has two central directories that disagree') : found;
    }
  }
  if (isSaturated) return refuseDamaged(source.name, 'its central directory needs a ZIP64 record, which is missing');
  return { entries, size, offset, limit };
}

interface DirectoryEntry {
  readonly name: string;
  readonly rawName: Uint8Array;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly headerOffset: number;
}

/** UTF-8 with or without the flag that says so (writers forget it), else one character a byte. */
function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  }
}

function checkName(file: string, name: string): void {
  if (name.split(/[/\\]/).includes('..') || /^[/\\]|^[a-z]:|\0/i.test(name)) {
    refuseUnsafe(file, `its entry ${JSON.stringify(name.slice(0, 200))} climbs out of the archive`, { entry: name });
  }
}

function parseDirectory(bytes: Uint8Array, { entries: count, offset: directoryOffset }: DirectoryEnd, file: string): DirectoryEntry[] {
  const view = viewOf(bytes);
  const entries: DirectoryEntry[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50) return refuseDamaged(file, `entry ${index} of its central directory is damaged`);
    const [nameLength, extraLength, commentLength] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)];
    const end = at + 46 + nameLength + extraLength + commentLength;
    if (end > bytes.length) return refuseDamaged(file, `entry ${index} of its central directory is cut short`);
    const rawName = bytes.subarray(at + 46, at + 46 + nameLength);
    const name = decodeName(rawName);
    checkName(file, name);
    let size = view.getUint32(at + 24, true);
    let compressedSize = view.getUint32(at + 20, true);
    let headerOffset = view.getUint32(at + 42, true);
    // ZIP64 (4.5.3): what does not fit 32 bits follows in this order.
    for (let extra = at + 46 + nameLength, extraEnd = extra + extraLength; extra + 4 <= extraEnd; ) {
      const [id, length] = [view.getUint16(extra, true), view.getUint16(extra + 2, true)];
      const fieldEnd = extra + 4 + length;
      if (fieldEnd > extraEnd) return refuseDamaged(file, `entry '${name}' has a damaged extra field`);
      if (id === 1) {
        let field = extra + 4;
        const next = () => {
          if (field + 8 > fieldEnd) return refuseDamaged(file, `entry '${name}' has a damaged ZIP64 field`);
          field += 8;
          return uint64(view, field - 8);
        };
        if (size === unsetLong) size = next();
        if (compressedSize === unsetLong) compressedSize = next();
        if (headerOffset === unsetLong) headerOffset = next();
      }
      extra = fieldEnd;
    }
    const [flags, method, crc] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true), view.getUint32(at + 16, true)];
    if (flags & 1) return refuseUnsupported(file, `entry '${name}' is encrypted`);
    if (method !== 0 && method !== 8) return refuseUnsupported(file, `entry '${name}' is compressed by method ${method}; only stored and deflated entries are read`);
    if (method === 0 && size !== compressedSize) return refuseDamaged(file, `entry '${name}' is stored, but its size is ${size} and its stored size ${compressedSize}`);
    if (headerOffset + 30 + nameLength + compressedSize > directoryOffset)
      return refuseDamaged(file, `entry '${name}' claims the size ${compressedSize}, which reaches beyond the ${directoryOffset} bytes before the central directory`);
    if (method === 8 && size > Math.max(largestInflation.bytes, compressedSize * largestInflation.ratio))
      return refuseUnsafe(file, `entry '${name}' is ${compressedSize} compressed bytes that claim the size ${size}`, { entry: name, size, compressedSize });
    entries.push({ name, rawName, flags, method, crc, compressedSize, size, headerOffset });
    at = end;
  }
  if (at !== bytes.length) return refuseDamaged(file, `its central directory has ${bytes.length - at} bytes more than its ${count} entries`);
  return entries;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Where the content starts: after the entry's own header (4.3.7), which must say what the directory says. */
function locateContent(file: string, entry: DirectoryEntry, header: Uint8Array, limit: number): number {
  const { name, rawName, headerOffset } = entry;
  const refuse = (problem: string) => refuseDamaged(file, `entry '${name}' at byte ${headerOffset} ${problem}`);
  const view = viewOf(header);
  if (view.getUint32(0, true) !== 0x04034b50) return refuse('has no header there');
  const [flags, method, nameLength, extraLength] = [view.getUint16(6, true), view.getUint16(8, true), view.getUint16(26, true), view.getUint16(28, true)];
  if (nameLength !== rawName.length || !sameBytes(header.subarray(30, 30 + nameLength), rawName)) return refuse('has another name there');
  if (method !== entry.method || (flags & 1) !== 0) return refuse('is compressed in another way there');
  // Without a data descriptor (bit 3) the header knows the sizes as well.
  if ((flags & 8) === 0) {
    const [crc, compressedSize, size] = [view.getUint32(14, true), view.getUint32(18, true), view.getUint32(22, true)];
    const differs = (narrow: number, exact: number) => narrow !== exact && narrow !== unsetLong;
    if (crc !== entry.crc || differs(compressedSize, entry.compressedSize) || differs(size, entry.size)) return refuse('has another size or crc there');
  }
  const start = headerOffset + 30 + nameLength + extraLength;
  if (start + entry.compressedSize > limit) return refuse(`of size ${entry.compressedSize} runs into what follows it at byte ${limit}`);
  return start;
}

/** Inflates the first `wanted` bytes; never more than the entry's checked size is held. */
async function inflateStart(source: ByteSource, entry: DirectoryEntry, start: number, wanted: number, options: ReadOptions): Promise<Uint8Array> {
  const { name, size, compressedSize } = entry;
  const result = new Uint8Array(Math.min(wanted, size));
  let produced = 0;
  let isFinal = false;
  const inflater = new Inflate((piece, final) => {
    if (produced + piece.length > size) refuseDamaged(source.name, `entry '${name}' inflates to more than its size ${size}`);
    result.set(piece.subarray(0, Math.max(0, result.length - produced)), Math.min(produced, result.length));
    produced += piece.length;
    isFinal = final;
  });
  // Deflate packs at most 1032 to 1: a piece of 16 KiB unfolds to less than 17 MB.
  const step = 16 << 10;
  for (let at = 0; at < compressedSize && (produced < wanted || wanted >= size); at += step) {
    const length = Math.min(step, compressedSize - at);
    const piece = await source.read(start + at, length, options);
    try {
      // A copy: the inflater keeps what it has not used yet.
      inflater.push(new Uint8Array(piece), at + length === compressedSize);
    } catch (cause) {
      if (isTesseraeError(cause)) throw cause;
      return refuseDamaged(source.name, `entry '${name}' is not deflated data (${cause instanceof Error ? cause.message : String(cause)})`);
    }
  }
  if (produced < result.length || (wanted >= size && (!isFinal || produced !== size)))
    return refuseDamaged(source.name, `entry '${name}' inflates to ${produced} bytes instead of its size ${size}`);
  return result;
}

function openEntry(source: ByteSource, entry: DirectoryEntry, limit: number, crc32: Crc32): ZipEntry {
  const { name, size, method } = entry;
  const headerLength = 30 + entry.rawName.length;
  let located: number | undefined;
  let isVerified = false;
  const locate = async (options: ReadOptions) => {
    located ??= locateContent(source.name, entry, await source.read(entry.headerOffset, headerLength, options), limit);
    return located;
  };
  /** Header and content in one read, if nothing but an extra field can lie between them: half the reads of a checkpoint. */
  const readStored = async (options: ReadOptions) => {
    const together = limit - entry.headerOffset;
    // A large one alone: its bytes then start where numbers may, and need not be copied.
    if (located !== undefined || size > pieceBytes || together > headerLength + unsetWord + size) return source.read(await locate(options), size, options);
    const bytes = await source.read(entry.headerOffset, together, options);
    located = locateContent(source.name, entry, bytes.subarray(0, headerLength), limit);
    const start = located - entry.headerOffset;
    return bytes.subarray(start, start + size);
  };
  const check = (found: number) => {
    // Torch can be told to write no checksum; the field is zero then.
    if (entry.crc !== 0 && found !== entry.crc) refuseDamaged(source.name, `entry '${name}' is damaged: its crc is ${found.toString(16)} instead of ${entry.crc.toString(16)}`);
    isVerified = true;
  };
  const readAll = async (options: ReadOptions) => {
    const bytes = method === 0 ? await readStored(options) : await inflateStart(source, entry, await locate(options), size, options);
    if (!isVerified) check(crc32(bytes, 0));
    return bytes;
  };
  /** The whole stored content, its checksum looked at behind the last piece. */
  async function* streamStored(start: number, options: ReadOptions): AsyncIterable<Uint8Array> {
    let found = 0;
    for await (const piece of streamBytes(source, start, size, options)) {
      if (!isVerified) found = crc32(piece, found);
      yield piece;
    }
    if (!isVerified) check(found);
  }
  const verify = async (start: number, options: ReadOptions) => {
    let found = 0;
    for await (const piece of streamBytes(source, start, size, options)) found = crc32(piece, found);
    check(found);
  };
  return {
    name,
    size,
    async read(offset, length, options = {}) {
      checkRange({ name: `${source.name}, entry '${name}'`, size }, offset, length);
      if (method !== 0) return (await readAll(options)).subarray(offset, offset + length);
      if (offset === 0 && length === size) return readAll(options);
      const start = await locate(options);
      if (!isVerified) await verify(start, options);
      return source.read(start + offset, length, options);
    },
    async *stream(offset, length, options = {}) {
      checkRange({ name: `${source.name}, entry '${name}'`, size }, offset, length);
      if (method !== 0) {
        yield (await readAll(options)).subarray(offset, offset + length);
        return;
      }
      const start = await locate(options);
      const isWhole = offset === 0 && length === size;
      if (!isWhole && !isVerified) await verify(start, options);
      yield* isWhole ? streamStored(start, options) : streamBytes(source, start + offset, length, options);
    },
    async readStart(length, options = {}) {
      const start = await locate(options);
      const wanted = Math.min(length, size);
      return method === 0 ? source.read(start, wanted, options) : inflateStart(source, entry, start, wanted, options);
    },
  };
}

/** True for bytes a ZIP archive starts with, an empty one included. */
export function looksLikeZip(start: Uint8Array): boolean {
  return start[0] === 0x50 && start[1] === 0x4b && ((start[2] === 3 && start[3] === 4) || (start[2] === 5 && start[3] === 6));
}

/**
 * The entries of an archive, by name. Only its directory is read.
 * @throws TesseraeError `file-corrupt`, `file-unsafe` (doubled names, overlaps, entries that climb out, bombs) or `model-incompatible`.
 */
export async function openZip(source: ByteSource, { crc32 = ownCrc32, ...options }: ZipOptions = {}): Promise<ReadonlyMap<string, ZipEntry>> {
  const end = await findDirectoryEnd(source, options);
  if (end.offset + end.size > end.limit)
    return refuseDamaged(source.name, `its central directory claims bytes ${end.offset} to ${end.offset + end.size}, beyond its end at ${end.limit}`);
  if (end.size > largestDirectory) return refuseUnsafe(source.name, `its central directory has the size ${end.size}; at most ${largestDirectory} are read`);
  if (end.entries * 46 > end.size) return refuseDamaged(source.name, `its central directory of ${end.size} bytes claims ${end.entries} entries`);
  const directory = parseDirectory(await source.read(end.offset, end.size, options), end, source.name);
  const entries = new Map<string, ZipEntry>();
  const byOffset = [...directory].sort((a, b) => a.headerOffset - b.headerOffset);
  const limits = new Map(byOffset.map((entry, index) => [entry, byOffset[index + 1]?.headerOffset ?? end.offset] as const));
  for (const entry of directory) {
    if (entries.has(entry.name)) return refuseUnsafe(source.name, `it has two entries named '${entry.name}'`, { entry: entry.name });
    const limit = limits.get(entry) ?? end.offset;
    if (entry.headerOffset + 30 + entry.rawName.length + entry.compressedSize > limit)
      return refuseUnsafe(source.name, `entry '${entry.name}' overlaps the entry at byte ${limit}`);
    entries.set(entry.name, openEntry(source, entry, limit, crc32));
  }
  return entries;
}
