import { type HostArray, type Shape, sizeOf, stridesOf, type TensorType, zerosArray } from '../../tensor/index.js';

/** Offsets that walk `axes` of a shape, outermost first. */
function walk(shape: Shape, axes: readonly number[]): number[] {
  const strides = stridesOf(shape);
  return axes.reduce<number[]>(
    (offsets, axis) => {
      const steps = Array.from({ length: shape[axis] ?? 1 }, (_, index) => index * (strides[axis] ?? 0));
      return offsets.flatMap((offset) => steps.map((step) => offset + step));
    },
    [0],
  );
}

/** Folds `axes` away, in float64. */
export function reduce(x: HostArray, type: TensorType, axes: readonly number[], start: number, combine: (sum: number, value: number) => number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const outer = walk(
    x.shape,
    x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis])),
  );
  const inner = walk(x.shape, axes);
  outer.forEach((base, index) => {
    let value = start;
    for (const offset of inner) value = combine(value, x.data[base + offset] ?? 0);
    out.data[index] = value;
  });
  return out;
}

/** Calls `visit` for each line along an axis: base offset, step and length, and the line's number. */
function eachLine(shape: Shape, axis: number, visit: (base: number, step: number, length: number, line: number) => void): void {
  const step = stridesOf(shape)[axis] ?? 1;
  const length = shape[axis] ?? 1;
  walk(
    shape,
    shape.flatMap((_, other) => (other === axis ? [] : [other])),
  ).forEach((base, line) => visit(base, step, length, line));
}

export function argMax(x: HostArray, type: TensorType, axis: number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  eachLine(x.shape, axis, (base, step, length, line) => {
    let best = 0;
    for (let index = 1; index < length; index += 1) {
      if ((x.data[base + index * step] ?? 0) > (x.data[base + best * step] ?? 0)) best = index;
    }
    out.data[line] = best;
  });
  return out;
}

export function cumulativeSum(x: HostArray, axis: number): HostArray {
  const out = zerosArray(x.shape, x.dtype);
  if (sizeOf(x.shape) === 0) return out;
  eachLine(x.shape, axis, (base, step, length) => {
    let sum = 0;
    for (let index = 0; index < length; index += 1) {
      sum += x.data[base + index * step] ?? 0;
      out.data[base + index * step] = sum;
    }
  });
  return out;
}

export function topValues(x: HostArray, type: TensorType, count: number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const length = x.shape[x.shape.length - 1] ?? 0;
  const rows = length === 0 ? 0 : x.data.length / length;
  for (let row = 0; row < rows; row += 1) {
    const sorted = Float64Array.from(x.data.subarray(row * length, (row + 1) * length))
      .sort()
      .reverse();
    for (let index = 0; index < count; index += 1) out.data[row * count + index] = sorted[index] ?? 0;
  }
  return out;
}
