import { type OperationAttributes, type Shape, sizeOf, type TensorType } from '@tesserae/core';
import { type Emitter, integer, integers } from './emitter.js';

/** Below this an operator more costs as much as it saves. */
const smallest = 2 ** 15;

/** Pieces that the rows of a long sum are cut into, so that every core has some. */
const pieces = 8;

/**
 * aᵀ·b, both a matrix with many more rows than columns, as the gradient of a layer's weights is. ONNX Runtime multiplies by a transposed left side
 * at half of its usual speed; moving the narrower of the two in memory first costs a twentieth of the product. An axis of one hides that move from
 * it: it would put a plain transposition back into the product.
 */
function emitLongMatrixProduct(emitter: Emitter, [a, b]: readonly [string, string], [rows = 0, left = 0]: Shape, [, right = 0]: Shape): string | undefined {
  if (rows * Math.min(left, right) < smallest || rows < Math.min(left, right)) return undefined;
  const moved = (x: string, columns: number): string => {
    const alone = emitter.emit('Transpose', [emitter.emit('Reshape', [x, emitter.integers([1, rows, columns])])], { perm: integers([2, 0, 1]) });
    return emitter.emit('Reshape', [alone, emitter.integers([columns, rows])]);
  };
  if (left <= right) return emitter.emit('MatMul', [moved(a, left), b]);
  return emitter.emit('Transpose', [emitter.emit('MatMul', [moved(b, right), a])], { perm: integers([1, 0]) });
}

/** How many times wider the transposed side of stacked products has to be for the other one to be transposed in its place. */
const muchWider = 2;

/**
 * aᵀ·b of stacks of matrices with many rows, as the gradient of keys and values is: all weights of attention by a head's few channels. ONNX
 * Runtime takes twice as long as for (bᵀ·a)ᵀ, where the few are what it has to transpose.
 */
function emitLongStackedProduct(emitter: Emitter, [a, b]: readonly [string, string], left: Shape, right: Shape): string | undefined {
  const rank = left.length;
  const [rows = 0, wide = 0] = left.slice(-2);
  if (!emitter.contrib || right.length !== rank || rows * wide < smallest || wide <= muchWider * (right[rank - 1] ?? 0)) return undefined;
  const narrow = right[rank - 1] ?? 0;
  const product = emitter.emit('FusedMatMul', [b, a], { transA: integer(1), transB: integer(0) }, 'com.microsoft');
  // Hidden as above: else ONNX Runtime moves the transposition behind whatever zeros the product is filled up with.
  const alone = emitter.emit('Reshape', [product, emitter.integers([sizeOf(left.slice(0, -2)), 1, narrow, wide])]);
  const turned = emitter.emit('Transpose', [alone], { perm: integers([0, 3, 1, 2]) });
  return emitter.emit('Reshape', [turned, emitter.integers([...left.slice(0, -2), wide, narrow])]);
}

/** aᵀ·b in the form that ONNX Runtime is quickest at; undefined where that is its own. */
export function emitLongProduct(emitter: Emitter, operands: readonly [string, string], left: Shape, right: Shape): string | undefined {
  const emitProduct = left.length === 2 && right.length === 2 ? emitLongMatrixProduct : emitLongStackedProduct;
  return emitProduct(emitter, operands, left, right);
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
