import { type OperationAttributes, type Shape, sizeOf, type TensorType } from '@tesserae/core';
import { type Emitter, integer, integers } from './emitter.js';

/** Below this an operator more costs as much as it saves. */
const smallest = 2 ** 15;

/** Pieces that the rows of a long sum are cut into, so that every core has some. */
const pieces = 8;

/**
 * aᵀ·b, both a matrix with many more rows than columns, as the gradient of a layer's weights is. ONNX Runtime multiplies by a transposed left side
 * at two thirds of its usual speed; moving the narrower of the two in memory first costs a twentieth of the product.
 */
export function emitLongProduct(emitter: Emitter, [a, b]: readonly [string, string], [rows = 0, left = 0]: Shape, [, right = 0]: Shape): string | undefined {
  if (rows * Math.min(left, right) < smallest || rows < Math.min(left, right)) return undefined;
  const transposed = (x: string): string => emitter.emit('Transpose', [x], { perm: integers([1, 0]) });
  return left <= right ? emitter.emit('MatMul', [transposed(a), b]) : transposed(emitter.emit('MatMul', [transposed(b), a]));
}

/**
 * A sum over leading axes as a product with a row of ones, as the gradient of a bias is: ONNX Runtime's sum walks the memory in strides, and takes
 * two to four times as long on a CPU. Undefined elsewhere, for other sums and for small ones.
 */
export function emitColumnSums(
  emitter: Emitter,
  x: string,
  { shape, dtype }: TensorType,
  { axes, keepDimensions }: OperationAttributes['reduceSum'],
  result: Shape,
): string | undefined {
  if (!emitter.contrib) return undefined;
  const leading = [...axes].sort((one, other) => one - other).every((axis, index) => axis === index);
  const rows = sizeOf(shape.slice(0, axes.length));
  const columns = sizeOf(shape.slice(axes.length));
  if (!leading || axes.length === 0 || axes.length === shape.length || dtype !== 'float32' || rows < 64 || columns < 8 || rows * columns < smallest) return undefined;
  const cut = rows % pieces === 0 ? pieces : 1;
  const flat = emitter.emit('Reshape', [x, emitter.integers([cut, rows / cut, columns])]);
  const sums = emitter.emit('MatMul', [emitter.fill([1, rows / cut], 'float32', 1), flat]);
  const sum = cut === 1 ? sums : emitter.emit('ReduceSum', [sums, emitter.integers([0])], { keepdims: integer(0) });
  return emitter.emit('Reshape', [sum, emitter.integers(keepDimensions ? shape.map((length, axis) => (axis < axes.length ? 1 : length)) : result)]);
}
