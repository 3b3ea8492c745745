import { halfPrecisionBytes, TesseraeError } from '@tesserae/core';
import type { ReadOptions } from './byte-source.js';
import { type CheckpointTensor, readWeights } from './checkpoint.js';
import { elementBytes } from './element-type.js';
import type { PlannedTensor } from './plan-conversion.js';
import { contiguousStrides, readStrided } from './strided.js';

export type FloatType = 'float32' | 'float16';

/** How a tensor is written: as asked, else as it is where that is half precision, else as float32. */
export function writtenType(source: CheckpointTensor, floats: FloatType | undefined): 'F32' | 'F16' {
  if (floats !== undefined) return floats === 'float16' ? 'F16' : 'F32';
  return source.dtype === 'F16' ? 'F16' : 'F32';
}

/** Refuses what is not finite by the bits of its exponent, which is ten times as fast as looking at numbers. */
function checkFinite({ name, file }: CheckpointTensor, bits: Uint32Array | Uint16Array, exponent: number): void {
  for (let index = 0; index < bits.length; index += 1) {
    if (((bits[index] ?? 0) & exponent) === exponent) {
      throw new TesseraeError('numerical-failure', `${file}: the weight '${name}' is not finite (NaN or infinite) at element ${index}.`, {
        remedy: 'Use a checkpoint from before the training diverged.',
        details: { name, index },
      });
    }
  }
}

/** Bytes that start where numbers may. */
function aligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
}

async function castBytes(source: CheckpointTensor, target: 'F32' | 'F16', options: ReadOptions): Promise<Uint8Array> {
  if (source.dtype === target) {
    const width = elementBytes[target];
    const bytes = aligned(await source.read(options), width);
    if (target === 'F32') checkFinite(source, new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), 0x7f800000);
    else checkFinite(source, new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2), 0x7c00);
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
