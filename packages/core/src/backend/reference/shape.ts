import type { OperationAttributes } from '../../graph/index.js';
import { type HostArray, int32Array, sizeOf, stridesOf, type TensorType, zerosArray } from '../../tensor/index.js';
import { walk } from './walk.js';

/** How a rearrangement finds the elements of its result: where in the input the first one lies, and the steps along the result's axes. */
export interface Steps {
  readonly start: number;
  readonly steps: readonly number[];
}

/** The input's elements in the order of the result. */
export function rearrange(x: HostArray, type: TensorType, { start, steps }: Steps): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const [source, target] = [x.data, out.data];
  const { rows, length, operands } = walk(type.shape, [steps]);
  const [from] = operands;
  if (from === undefined) return out;
  let position = 0;
  for (let row = 0; row < rows; row += 1) {
    let offset = start + (from.starts[row] ?? 0);
    for (let index = 0; index < length; index += 1) {
      target[position] = source[offset] ?? 0;
      position += 1;
      offset += from.step;
    }
  }
  return out;
}

export function transpose(x: HostArray, type: TensorType, permutation: readonly number[]): HostArray {
  const strides = stridesOf(x.shape);
  return rearrange(x, type, { start: 0, steps: permutation.map((axis) => strides[axis] ?? 0) });
}

export function slice(x: HostArray, type: TensorType, { starts, strides }: OperationAttributes['slice']): HostArray {
  const own = stridesOf(x.shape);
  return rearrange(x, type, {
    start: starts.reduce((sum, at, axis) => sum + at * (own[axis] ?? 0), 0),
    steps: own.map((stride, axis) => stride * (strides[axis] ?? 1)),
  });
}

export function reverse(x: HostArray, type: TensorType, axes: readonly number[]): HostArray {
  const strides = stridesOf(x.shape);
  return rearrange(x, type, {
    start: axes.reduce((sum, axis) => sum + Math.max(0, (x.shape[axis] ?? 1) - 1) * (strides[axis] ?? 0), 0),
    steps: strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride)),
  });
}

/** The input in the middle of the fill value. */
export function pad(x: HostArray, type: TensorType, { low, value }: OperationAttributes['pad']): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const [source, target] = [x.data, out.data];
  if (value !== 0) target.fill(value);
  const strides = stridesOf(type.shape);
  const { rows, length, operands } = walk(x.shape, [strides]);
  const [to] = operands;
  if (to === undefined) return out;
  const start = low.reduce((sum, amount, axis) => sum + amount * (strides[axis] ?? 0), 0);
  let position = 0;
  for (let row = 0; row < rows; row += 1) {
    let offset = start + (to.starts[row] ?? 0);
    for (let index = 0; index < length; index += 1) {
      target[offset] = source[position] ?? 0;
      position += 1;
      offset += to.step;
    }
  }
  return out;
}

export function concat(inputs: readonly HostArray[], type: TensorType, axis: number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const after = sizeOf(type.shape.slice(axis + 1));
  const before = sizeOf(type.shape.slice(0, axis));
  let start = 0;
  for (const input of inputs) {
    const block = (input.shape[axis] ?? 0) * after;
    for (let row = 0; row < before; row += 1) {
      out.data.set(input.data.subarray(row * block, (row + 1) * block), row * (type.shape[axis] ?? 0) * after + start);
    }
    start += block;
  }
  return out;
}

/** 0, 1, 2, … along an axis. */
export function iota(type: TensorType, axis: number): HostArray {
  const count = Int32Array.from({ length: type.shape[axis] ?? 0 }, (_, index) => index);
  return rearrange(int32Array([count.length], count), type, { start: 0, steps: type.shape.map((_, other) => (other === axis ? 1 : 0)) });
}
