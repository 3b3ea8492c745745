import { type HostArray, type Shape, sizeOf, stridesOf, type TensorType, zerosArray } from '../../tensor/index.js';

/** Visits every multi-index of a shape in row-major order. The index array is reused. */
function eachIndex(shape: Shape, visit: (index: readonly number[], position: number) => void): void {
  const index = new Array<number>(shape.length).fill(0);
  const size = sizeOf(shape);
  for (let position = 0; position < size; position += 1) {
    visit(index, position);
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < (shape[axis] ?? 1)) break;
      index[axis] = 0;
    }
  }
}

/** Fills each output element from the input element whose index `source` gives (undefined: keep the fill value). */
export function rearrange(x: HostArray, type: TensorType, source: (index: readonly number[], axis: number) => number | undefined, fill = 0): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  if (fill !== 0) out.data.fill(fill);
  const strides = stridesOf(x.shape);
  eachIndex(type.shape, (index, position) => {
    let offset = 0;
    for (let axis = 0; axis < x.shape.length; axis += 1) {
      const at = source(index, axis);
      if (at === undefined || at < 0 || at >= (x.shape[axis] ?? 0)) return;
      offset += at * (strides[axis] ?? 0);
    }
    out.data[position] = x.data[offset] ?? 0;
  });
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

export function iota(type: TensorType, axis: number): HostArray {
  const out = zerosArray(type.shape, 'int32');
  eachIndex(type.shape, (index, position) => {
    out.data[position] = index[axis] ?? 0;
  });
  return out;
}
