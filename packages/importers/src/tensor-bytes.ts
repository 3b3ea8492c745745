import { halfPrecisionBytes, TesseraeError } from '@tesserae/core';
import type { ReadOptions } from './byte-source.js';
import { type CheckpointTensor, readWeights } from './checkpoint.js';
import { elementBytes } from './element-type.js';
import type { PlannedTensor } from './plan-conversion.js';
import { pieceBytes } from './stream-bytes.js';
import { contiguousStrides, readStrided } from './strided.js';

export type FloatType = 'float32' | 'float16';

/** How a tensor is written: as asked, else as it is where that is half precision, else as float32. */
export function writtenType(source: CheckpointTensor, floats: FloatType | undefined): 'F32' | 'F16' {
  if (floats !== undefined) return floats === 'float16' ? 'F16' : 'F32';
  return source.dtype === 'F16' ? 'F16' : 'F32';
}

/** Refuses what is not finite by the bits of its exponent, which is ten times as fast as looking at numbers. `first` is the number of the first element. */
function checkBits({ name, file }: CheckpointTensor, bits: Int32Array | Int16Array, exponent: number, first: number): void {
  for (let index = 0; index < bits.length; index += 1) {
    if (((bits[index] ?? 0) & exponent) === exponent) {
      throw new TesseraeError('numerical-failure', `${file}: the weight '${name}' is not finite (NaN or infinite) at element ${first + index}.`, {
        remedy: 'Use a checkpoint from before the training diverged.',
        details: { name, index: first + index },
      });
    }
  }
}

/**
 * How many numbers, from the first on, are known to be finite: as many as there are whole fours, or none. Finite numbers have a finite sum, which in
 * double precision cannot overflow, and NaN and infinity stay in it. Four sums, so that no addition waits for the one before: twice as fast as
 * looking at every number's bits, which is left to do for the rest.
 */
function knownFinite(numbers: Float32Array): number {
  let first = 0;
  let second = 0;
  let third = 0;
  let fourth = 0;
  const whole = numbers.length & ~3;
  for (let index = 0; index < whole; index += 4) {
    first += numbers[index] ?? 0;
    second += numbers[index + 1] ?? 0;
    third += numbers[index + 2] ?? 0;
    fourth += numbers[index + 3] ?? 0;
  }
  return Number.isFinite(first + second + third + fourth) ? whole : 0;
}

/** Bytes that start where numbers may. */
function aligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
}

function checkFinite(source: CheckpointTensor, bytes: Uint8Array, type: 'F32' | 'F16', first = 0): void {
  if (type === 'F32') {
    const known = knownFinite(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
    checkBits(source, new Int32Array(bytes.buffer, bytes.byteOffset + known * 4, bytes.length / 4 - known), 0x7f800000, first + known);
  } else checkBits(source, new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2), 0x7c00, first);
}

async function castBytes(source: CheckpointTensor, target: 'F32' | 'F16', options: ReadOptions): Promise<Uint8Array> {
  if (source.dtype === target) {
    const width = elementBytes[target];
    const bytes = aligned(await source.read(options), width);
    checkFinite(source, bytes, target);
    return bytes;
  }
  const { dtype, data } = await readWeights(source, options);
  if (dtype !== 'float32') {
    throw new TesseraeError('model-incompatible', `${source.file}: the weight '${source.name}' holds whole numbers (${source.dtype}), where floats are wanted.`, {
      remedy: 'Quantised checkpoints are not converted; use one in float32, float16 or bfloat16.',
    });
  }
  return target === 'F16' ? halfPrecisionBytes(source.name, data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * A planned tensor's bytes as they are written: read, checked to be finite, cast, its axes in our order.
 * @throws TesseraeError `numerical-failure`, `file-corrupt`, `model-incompatible`.
 */
export async function plannedBytes({ source, transform }: PlannedTensor, target: 'F32' | 'F16', options: ReadOptions = {}): Promise<Uint8Array> {
  const bytes = await castBytes(source, target, options);
  if (transform === undefined) return bytes;
  const strides = contiguousStrides(source.shape);
  const width = elementBytes[target];
  const layout = { shape: transform.axes.map((axis) => source.shape[axis] ?? 0), strides: transform.axes.map((axis) => strides[axis] ?? 0), offset: 0 };
  return readStrided(layout, width, async (offset, length) => bytes.subarray(offset, offset + length));
}

/**
 * The same piece by piece, where a tensor is large and is not changed on its way; undefined elsewhere. A piece holds until the next but one is
 * asked for.
 */
export function plannedPieces({ source, transform }: PlannedTensor, target: 'F32' | 'F16', options: ReadOptions = {}): (() => AsyncIterable<Uint8Array>) | undefined {
  const { stream, byteLength, dtype } = source;
  if (stream === undefined || transform !== undefined || dtype !== target || byteLength <= pieceBytes) return undefined;
  const width = elementBytes[target];
  return async function* pieces() {
    let done = 0;
    for await (const piece of stream(options)) {
      const bytes = aligned(piece, width);
      checkFinite(source, bytes, target, done / width);
      done += bytes.length;
      yield bytes;
    }
  };
}
