import { type HostArray, sizeOf, type TensorType, zerosArray } from '../../tensor/index.js';

export function gather(table: HostArray, indices: HostArray, type: TensorType, axis: number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const before = sizeOf(table.shape.slice(0, axis));
  const size = table.shape[axis] ?? 0;
  const after = sizeOf(table.shape.slice(axis + 1));
  const count = indices.data.length;
  for (let row = 0; row < before; row += 1) {
    for (let index = 0; index < count; index += 1) {
      const start = (row * size + (indices.data[index] ?? 0)) * after;
      out.data.set(table.data.subarray(start, start + after), (row * count + index) * after);
    }
  }
  return out;
}

export function scatterAdd(indices: HostArray, updates: HostArray, type: TensorType): HostArray {
  const width = sizeOf(type.shape.slice(1));
  const sums = new Float64Array(sizeOf(type.shape));
  indices.data.forEach((row, index) => {
    for (let column = 0; column < width; column += 1) sums[row * width + column] = (sums[row * width + column] ?? 0) + (updates.data[index * width + column] ?? 0);
  });
  return { dtype: 'float32', shape: type.shape, data: Float32Array.from(sums) };
}
