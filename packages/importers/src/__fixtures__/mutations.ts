import { isTesseraeError } from '@tesserae/core';
import { bytesSource } from '../byte-source.js';
import type { Checkpoint, CheckpointTensor } from '../checkpoint.js';
import { openCheckpoint } from '../open-checkpoint.js';
import { ascii, joinBytes, writeZip } from './writers.js';

/** Numbers from a seed (xorshift32): the same mutations on every machine. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

/** Opcodes and lengths that mean something, to be put where they should not be. */
const telling = ascii('()]}NRQbcito.0h\x00jqrsuaelpXKJMU\x80\x81\x85\x86\x87\x88\x8a\x8b\x8d\x93\x94\x95\xff\x7f\x01\x93\xc1\xc7\xc9\xdd\xdf');
const lies = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0x10000, 46, 22];

/** One to four changes of bytes: bits, bytes, opcodes, lengths, pieces cut, doubled or moved. */
export function mutate(bytes: Uint8Array, next: (below: number) => number): Uint8Array {
  let result = new Uint8Array(bytes);
  for (let count = next(2) === 0 ? 1 : 1 + next(4); count > 0 && result.length > 0; count -= 1) {
    // Headers and directories are at the ends: half of the changes go there.
    const near = Math.min(result.length, 300);
    const at = [() => next(result.length), () => next(near), () => result.length - 1 - next(near)][next(3)]?.() ?? 0;
    const length = Math.min(1 + next(40), result.length - at);
    switch (next(8)) {
      case 0:
      case 1:
        result[at] = (result[at] ?? 0) ^ (1 << next(8));
        break;
      case 2:
        result[at] = next(256);
        break;
      case 3:
        result[at] = telling[next(telling.length)] ?? 0;
        break;
      case 4: {
        const view = new DataView(result.buffer, result.byteOffset, result.byteLength);
        if (at + 4 <= result.length) view.setUint32(at, lies[next(lies.length)] ?? 0, next(2) === 0);
        break;
      }
      case 5:
        result = result.slice(0, at);
        break;
      case 6:
        result = joinBytes([result.subarray(0, at), result.subarray(at + length)]) as Uint8Array<ArrayBuffer>;
        break;
      default:
        result = joinBytes([result.subarray(0, at), result.subarray(at, at + length), result.subarray(at)]) as Uint8Array<ArrayBuffer>;
    }
  }
  return result;
}

export interface Part {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Changes one entry and packs the archive again, with a right checksum: past the archive, into the pickle. */
export function mutateInside(parts: readonly Part[], target: string, next: (below: number) => number): Uint8Array {
  return writeZip(parts.map(({ name, content }) => ({ name, content: name === target ? mutate(content, next) : content })));
}

/** Whole, or in pieces where that is possible: both must give the same. */
export type Reading = 'whole' | 'streamed';

async function bytesOf(tensor: CheckpointTensor, reading: Reading): Promise<Uint8Array> {
  if (reading === 'whole' || tensor.stream === undefined) return tensor.read();
  const pieces: Uint8Array[] = [];
  // Copies: a piece does not hold for long.
  for await (const piece of tensor.stream()) pieces.push(new Uint8Array(piece));
  return joinBytes(pieces);
}

/** What a file reads as: a text to compare. */
async function readAll({ tensors }: Checkpoint, reading: Reading): Promise<string> {
  const parts: string[] = [];
  for (const tensor of tensors) {
    const bytes = await bytesOf(tensor, reading);
    if (bytes.length !== tensor.byteLength) throw new Error(`'${tensor.name}' promised ${tensor.byteLength} bytes and gave ${bytes.length}`);
    let hash = 0x811c9dc5;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    parts.push(`${tensor.name} ${tensor.dtype} ${tensor.shape.join('x')} ${hash >>> 0}`);
  }
  return parts.join('\n');
}

export type Outcome = { readonly kind: 'refused' } | { readonly kind: 'read'; readonly content: string } | { readonly kind: 'broken'; readonly problem: string };

/** Opens and reads a file: it must end in tensors or a typed error, within `milliseconds`. */
export async function outcomeOf(bytes: Uint8Array, name: string, milliseconds: number, reading: Reading = 'whole'): Promise<Outcome> {
  const start = performance.now();
  let outcome: Outcome;
  try {
    outcome = { kind: 'read', content: await readAll(await openCheckpoint(bytesSource(bytes, name)), reading) };
  } catch (error) {
    outcome = isTesseraeError(error) ? { kind: 'refused' } : { kind: 'broken', problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  const took = performance.now() - start;
  return took > milliseconds ? { kind: 'broken', problem: `it took ${took.toFixed(0)} ms` } : outcome;
}
