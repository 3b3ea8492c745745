import type { Conv2dAttributes } from '../../graph/index.js';
import { expectDType, type HostArray, type TensorType, zerosArray } from '../../tensor/index.js';
import { broadcastSteps, walk } from './walk.js';

/** Products are exact and sums in float64, each in the order of the inner axis. */
export function matMul(a: HostArray, b: HostArray, type: TensorType, transposeA: boolean, transposeB: boolean): HostArray {
  const out = zerosArray(type.shape, 'float32');
  const target = out.data;
  const [left, right] = [expectDType(a, 'float32', 'matMul').data, expectDType(b, 'float32', 'matMul').data];
  const rank = type.shape.length;
  const [rows = 0, columns = 0] = type.shape.slice(rank - 2);
  const inner = (transposeA ? a.shape[a.shape.length - 2] : a.shape[a.shape.length - 1]) ?? 0;
  const batchShape = type.shape.slice(0, -2);
  const batches = walk(batchShape, [broadcastSteps(a.shape.slice(0, -2), batchShape), broadcastSteps(b.shape.slice(0, -2), batchShape)]);
  const [fromA, fromB] = batches.operands;
  const [rowA, innerA] = transposeA ? [1, rows] : [inner, 1];
  const sums = new Float64Array(columns);
  let position = 0;
  for (let batch = 0; batch < batches.rows * batches.length; batch += 1) {
    const [group, member] = [Math.floor(batch / batches.length), batch % batches.length];
    const baseA = ((fromA?.starts[group] ?? 0) + member * (fromA?.step ?? 0)) * rows * inner;
    const baseB = ((fromB?.starts[group] ?? 0) + member * (fromB?.step ?? 0)) * inner * columns;
    for (let row = 0; row < rows; row += 1) {
      const startA = baseA + row * rowA;
      if (transposeB) dotRows(sums, left, startA, innerA, right, baseB, inner);
      else addRows(sums, left, startA, innerA, right, baseB, inner);
      for (let column = 0; column < columns; column += 1) target[position + column] = sums[column] ?? 0;
      position += columns;
    }
  }
  return out;
}

/** Each sum is the product of one vector with a row of a matrix: both are read in order. Four rows at once, whose additions need not wait for each other. */
function dotRows(sums: Float64Array, vector: Float32Array, start: number, step: number, matrix: Float32Array, base: number, inner: number): void {
  let row = 0;
  for (; row + 3 < sums.length; row += 4) {
    let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
    let offset = base + row * inner;
    let at = start;
    for (let k = 0; k < inner; k += 1) {
      const value = vector[at] ?? 0;
      sum0 += value * (matrix[offset] ?? 0);
      sum1 += value * (matrix[offset + inner] ?? 0);
      sum2 += value * (matrix[offset + 2 * inner] ?? 0);
      sum3 += value * (matrix[offset + 3 * inner] ?? 0);
      at += step;
      offset += 1;
    }
    sums[row] = sum0;
    sums[row + 1] = sum1;
    sums[row + 2] = sum2;
    sums[row + 3] = sum3;
  }
  for (; row < sums.length; row += 1) {
    let sum = 0;
    for (let k = 0; k < inner; k += 1) sum += (vector[start + k * step] ?? 0) * (matrix[base + row * inner + k] ?? 0);
    sums[row] = sum;
  }
}

/** The sums are rows of a matrix added up, each times a number of a vector. */
function addRows(sums: Float64Array, vector: Float32Array, start: number, step: number, matrix: Float32Array, base: number, inner: number): void {
  sums.fill(0);
  const columns = sums.length;
  for (let k = 0; k < inner; k += 1) {
    const value = vector[start + k * step] ?? 0;
    const row = base + k * columns;
    for (let column = 0; column < columns; column += 1) sums[column] = (sums[column] ?? 0) + value * (matrix[row + column] ?? 0);
  }
}

/** Sums in float64, in the order of the filter's taps and then of the channels; those of one row of the result are taken together. */
export function conv2d(x: HostArray, filter: HostArray, type: TensorType, { strides, padding, dilations }: Conv2dAttributes): HostArray {
  const out = zerosArray(type.shape, 'float32');
  const target = out.data;
  const [pixels, weights] = [expectDType(x, 'float32', 'conv2d').data, expectDType(filter, 'float32', 'conv2d').data];
  const [, channels = 0, height = 0, width = 0] = x.shape;
  const [, , filterHeight = 0, filterWidth = 0] = filter.shape;
  const [batches = 0, outputs = 0, outHeight = 0, outWidth = 0] = type.shape;
  const stride = strides[1];
  const sums = new Float64Array(outWidth);
  let position = 0;
  for (let batch = 0; batch < batches; batch += 1) {
    for (let output = 0; output < outputs; output += 1) {
      for (let row = 0; row < outHeight; row += 1) {
        sums.fill(0);
        for (let tapRow = 0; tapRow < filterHeight; tapRow += 1) {
          const y = row * strides[0] + tapRow * dilations[0] - padding[0][0];
          if (y < 0 || y >= height) continue;
          for (let tapColumn = 0; tapColumn < filterWidth; tapColumn += 1) {
            const left = tapColumn * dilations[1] - padding[1][0];
            const first = Math.max(0, Math.ceil(-left / stride));
            const end = Math.min(outWidth, Math.floor((width - 1 - left) / stride) + 1);
            for (let channel = 0; channel < channels; channel += 1) {
              const weight = weights[((output * channels + channel) * filterHeight + tapRow) * filterWidth + tapColumn] ?? 0;
              let offset = ((batch * channels + channel) * height + y) * width + left + first * stride;
              for (let column = first; column < end; column += 1) {
                sums[column] = (sums[column] ?? 0) + (pixels[offset] ?? 0) * weight;
                offset += stride;
              }
            }
          }
        }
        target.set(sums, position);
        position += outWidth;
      }
    }
  }
  return out;
}
