import { type HostArray, type Shape, sizeOf, stridesOf, type TensorType, zerosArray } from '../../tensor/index.js';
import { walk } from './walk.js';

/** The axes of a shape that are not among `axes`. */
const otherAxes = (shape: Shape, axes: readonly number[]): number[] => shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));

/** Walks some axes of a shape, outermost first. */
function walkAxes(shape: Shape, axes: readonly number[]): { readonly rows: Int32Array; readonly length: number; readonly step: number } {
  const strides = stridesOf(shape);
  const { length, operands } = walk(
    axes.map((axis) => shape[axis] ?? 1),
    [axes.map((axis) => strides[axis] ?? 0)],
  );
  const [own] = operands;
  return { rows: own?.starts ?? new Int32Array(), length, step: own?.step ?? 0 };
}

/** Folds `axes` away, in float64. */
export function reduce(x: HostArray, type: TensorType, axes: readonly number[], start: number, combine: (sum: number, value: number) => number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const [source, target] = [x.data, out.data];
  const outer = walkAxes(x.shape, otherAxes(x.shape, axes));
  const inner = walkAxes(x.shape, axes);
  let position = 0;
  for (const row of outer.rows) {
    for (let column = 0; column < outer.length; column += 1) {
      let value = start;
      for (const begin of inner.rows) {
        let offset = row + column * outer.step + begin;
        for (let index = 0; index < inner.length; index += 1) {
          value = combine(value, source[offset] ?? 0);
          offset += inner.step;
        }
      }
      target[position] = value;
      position += 1;
    }
  }
  return out;
}

/** Calls `visit` for each line along an axis: base offset, step and length, and the line's number. */
function eachLine(shape: Shape, axis: number, visit: (base: number, step: number, length: number, line: number) => void): void {
  const [stride, size] = [stridesOf(shape)[axis] ?? 1, shape[axis] ?? 1];
  const { rows, length, step } = walkAxes(shape, otherAxes(shape, [axis]));
  rows.forEach((row, at) => {
    for (let column = 0; column < length; column += 1) visit(row + column * step, stride, size, at * length + column);
  });
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
