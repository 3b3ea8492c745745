import type { Conv2dAttributes } from '../../graph/index.js';
import { type HostArray, sizeOf, type TensorType, zerosArray } from '../../tensor/index.js';
import { broadcastOffsets } from './elementwise.js';

export function matMul(a: HostArray, b: HostArray, type: TensorType, transposeA: boolean, transposeB: boolean): HostArray {
  const out = zerosArray(type.shape, 'float32');
  const rank = type.shape.length;
  const [rows = 0, columns = 0] = type.shape.slice(rank - 2);
  const inner = (transposeA ? a.shape[a.shape.length - 2] : a.shape[a.shape.length - 1]) ?? 0;
  const batchShape = type.shape.slice(0, -2);
  const batchA = broadcastOffsets(a.shape.slice(0, -2), batchShape);
  const batchB = broadcastOffsets(b.shape.slice(0, -2), batchShape);
  const [rowA, innerA] = transposeA ? [1, rows] : [inner, 1];
  const [innerB, columnB] = transposeB ? [1, inner] : [columns, 1];
  for (let batch = 0; batch < batchA.length; batch += 1) {
    const baseA = (batchA[batch] ?? 0) * rows * inner;
    const baseB = (batchB[batch] ?? 0) * inner * columns;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        let sum = 0;
        for (let k = 0; k < inner; k += 1) sum += (a.data[baseA + row * rowA + k * innerA] ?? 0) * (b.data[baseB + k * innerB + column * columnB] ?? 0);
        out.data[(batch * rows + row) * columns + column] = sum;
      }
    }
  }
  return out;
}

export function conv2d(x: HostArray, filter: HostArray, type: TensorType, { strides, padding, dilations }: Conv2dAttributes): HostArray {
  const out = zerosArray(type.shape, 'float32');
  const [, channels = 0, height = 0, width = 0] = x.shape;
  const [, , filterHeight = 0, filterWidth = 0] = filter.shape;
  const [batches = 0, outputs = 0, outHeight = 0, outWidth = 0] = type.shape;
  if (sizeOf(type.shape) === 0) return out;
  let position = 0;
  for (let batch = 0; batch < batches; batch += 1) {
    for (let output = 0; output < outputs; output += 1) {
      for (let row = 0; row < outHeight; row += 1) {
        for (let column = 0; column < outWidth; column += 1) {
          let sum = 0;
          for (let tapRow = 0; tapRow < filterHeight; tapRow += 1) {
            const y = row * strides[0] + tapRow * dilations[0] - padding[0][0];
            if (y < 0 || y >= height) continue;
            for (let tapColumn = 0; tapColumn < filterWidth; tapColumn += 1) {
              const z = column * strides[1] + tapColumn * dilations[1] - padding[1][0];
              if (z < 0 || z >= width) continue;
              for (let channel = 0; channel < channels; channel += 1) {
                sum +=
                  (x.data[((batch * channels + channel) * height + y) * width + z] ?? 0) *
                  (filter.data[((output * channels + channel) * filterHeight + tapRow) * filterWidth + tapColumn] ?? 0);
              }
            }
          }
          out.data[position] = sum;
          position += 1;
        }
      }
    }
  }
  return out;
}
