import { broadcastShapes, type HostArray, type Shape, sizeOf, stridesOf, type TensorType, zerosArray } from '../../tensor/index.js';

/** For each element of `shape`, the offset in an array of `source` shape that broadcasts to it. */
export function broadcastOffsets(source: Shape, shape: Shape): Int32Array {
  const offsets = new Int32Array(sizeOf(shape));
  const strides = stridesOf(source);
  const lead = shape.length - source.length;
  const steps = shape.map((_, axis) => (axis < lead || source[axis - lead] === 1 ? 0 : (strides[axis - lead] ?? 0)));
  const index = new Array<number>(shape.length).fill(0);
  let offset = 0;
  for (let position = 0; position < offsets.length; position += 1) {
    offsets[position] = offset;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const step = steps[axis] ?? 0;
      const size = shape[axis] ?? 1;
      index[axis] = (index[axis] ?? 0) + 1;
      offset += step;
      if ((index[axis] ?? 0) < size) break;
      offset -= step * size;
      index[axis] = 0;
    }
  }
  return offsets;
}

/** Applies a function of one number to every element. */
export function mapUnary(x: HostArray, type: TensorType, compute: (value: number) => number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  for (let index = 0; index < x.data.length; index += 1) out.data[index] = compute(x.data[index] ?? 0);
  return out;
}

/** Applies a function of two numbers with NumPy broadcasting. */
export function mapBinary(a: HostArray, b: HostArray, type: TensorType, compute: (left: number, right: number) => number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const left = broadcastOffsets(a.shape, type.shape);
  const right = broadcastOffsets(b.shape, type.shape);
  for (let index = 0; index < out.data.length; index += 1) out.data[index] = compute(a.data[left[index] ?? 0] ?? 0, b.data[right[index] ?? 0] ?? 0);
  return out;
}

export function selectWhere(condition: HostArray, a: HostArray, b: HostArray): HostArray {
  const shape = broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape));
  const out = zerosArray(shape, a.dtype);
  const [c, left, right] = [condition, a, b].map((array) => broadcastOffsets(array.shape, shape));
  for (let index = 0; index < out.data.length; index += 1) {
    out.data[index] = (condition.data[c?.[index] ?? 0] === 1 ? a.data[left?.[index] ?? 0] : b.data[right?.[index] ?? 0]) ?? 0;
  }
  return out;
}

/** erf by Numerical Recipes' erfc Chebyshev fit (relative error below 1.2e-7): beyond float32's own precision. */
export function erf(x: number): number {
  if (x === 0 || Number.isNaN(x)) return x;
  const magnitude = Math.abs(x);
  if (magnitude < 0.5) {
    // Maclaurin series: the fit below loses relative precision near 0.
    let term = magnitude;
    let sum = magnitude;
    for (let n = 1; n < 20; n += 1) {
      term *= (-magnitude * magnitude) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * sum * (2 / Math.sqrt(Math.PI));
  }
  const t = 1 / (1 + 0.5 * magnitude);
  const coefficients = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
  const polynomial = coefficients.reduceRight((sum, coefficient) => sum * t + coefficient, 0);
  return Math.sign(x) * (1 - t * Math.exp(-magnitude * magnitude + polynomial));
}
