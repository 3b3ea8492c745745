import { refuseDamaged } from './refusal.js';

export interface ReadOptions {
  /** Stops the work; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Bytes that can be read anywhere, without holding them: a file, a `Blob`, an array. */
export interface ByteSource {
  /** What errors call it: a file's path or name. */
  readonly name: string;
  /** All bytes there are. */
  readonly size: number;
  /** Exactly `length` bytes from `offset` on. @throws TesseraeError `file-corrupt` when they are not all there. */
  read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array>;
  /** Fills `target` with the bytes from `offset` on: for who reads much and has memory that can be used again. Throws as `read` does. */
  readonly readInto?: (offset: number, target: Uint8Array, options?: ReadOptions) => Promise<void>;
}

/** Refuses a range outside the source, before anything is allocated for it. @throws TesseraeError `file-corrupt`. */
export function checkRange({ name, size }: { readonly name: string; readonly size: number }, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset + length > size) {
    refuseDamaged(name, `it is truncated: bytes ${offset} to ${offset + length} are needed, but it has only ${size}`, { offset, length, size });
  }
}

/** A `Blob` or `File`, as a browser's file picker gives it. */
export function blobSource(blob: Blob, name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'The file'): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length, { signal } = {}) {
      signal?.throwIfAborted();
      checkRange(this, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
  };
}

/** Bytes in memory. What is read are views of them, not copies. */
export function bytesSource(bytes: Uint8Array, name = 'The data'): ByteSource {
  return {
    name,
    size: bytes.length,
    async read(offset, length, { signal } = {}) {
      signal?.throwIfAborted();
      checkRange(this, offset, length);
      return bytes.subarray(offset, offset + length);
    },
  };
}
