import { apply, type Tensor } from '../graph/index.js';
import { normaliseAxis, type Shape, sameShape, sizeOf } from '../tensor/index.js';

/** One size may be −1: it is whatever keeps the number of elements. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const resolved = shape.map((size) => (size === -1 ? sizeOf(x.shape) / Math.max(1, known) : size));
  return sameShape(resolved, x.shape) ? x : apply('reshape', [x], { shape: resolved });
}

/** Output axis i is input axis permutation[i]. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  return permutation.every((axis, index) => axis === index) && permutation.length === x.shape.length ? x : apply('transpose', [x], { permutation });
}

/** Swaps the last two axes. */
export function swapLastAxes(x: Tensor): Tensor {
  const rank = x.shape.length;
  return transpose(x, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
}

export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply('broadcastTo', [x], { shape });
}

/** Adds an axis of size 1 so that it becomes axis `axis` of the result. */
export function expandDimensions(x: Tensor, axis: number): Tensor {
  const at = normaliseAxis(axis, x.shape.length + 1, 'expandDimensions');
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** `size` elements of one axis from `start`, taking every `stride`-th; the other axes stay whole. */
export function sliceAxis(x: Tensor, axis: number, start: number, size: number, stride = 1): Tensor {
  const at = normaliseAxis(axis, x.shape.length, 'sliceAxis');
  if (start === 0 && size === x.shape[at] && stride === 1) return x;
  return apply('slice', [x], {
    starts: x.shape.map((_, other) => (other === at ? start : 0)),
    sizes: x.shape.map((length, other) => (other === at ? size : length)),
    strides: x.shape.map((_, other) => (other === at ? stride : 1)),
  });
}

export function slice(x: Tensor, starts: readonly number[], sizes: readonly number[], strides?: readonly number[]): Tensor {
  return apply('slice', [x], { starts, sizes, strides: strides ?? sizes.map(() => 1) });
}

/** Splits an axis into equal parts. */
export function split(x: Tensor, axis: number, parts: number): Tensor[] {
  const at = normaliseAxis(axis, x.shape.length, 'split');
  const size = (x.shape[at] ?? 0) / parts;
  return Array.from({ length: parts }, (_, part) => sliceAxis(x, at, part * size, size));
}

export function pad(x: Tensor, low: readonly number[], high: readonly number[], value = 0): Tensor {
  return [...low, ...high].every((amount) => amount === 0) ? x : apply('pad', [x], { low, high, value });
}

export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors;
  if (tensors.length === 1 && first !== undefined) return first;
  return apply('concat', tensors, { axis: first === undefined ? axis : normaliseAxis(axis, first.shape.length, 'concat') });
}

export function reverse(x: Tensor, axes: readonly number[]): Tensor {
  return apply('reverse', [x], { axes: axes.map((axis) => normaliseAxis(axis, x.shape.length, 'reverse')) });
}
