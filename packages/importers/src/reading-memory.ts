/** Half a page of most systems. */
const apart = 2048;

/**
 * Memory to read a file into. It begins in the middle of a page: where it begins a few bytes behind a page's start, as large allocations do, some
 * processors copy a file's pages, which begin at theirs, at a third of their speed (measured: 1.5 against 5 GB/s; stores whose address is a little
 * above that of a load, modulo the size of a page, seem to depend on it).
 */
export function readingMemory(length: number, allocate: (length: number) => ArrayBufferLike = (size) => new ArrayBuffer(size)): Uint8Array {
  return new Uint8Array(allocate(length + apart), apart, length);
}
