import { TesseraeError } from '../errors/index.js';

/** Static sizes, outermost axis first. `[]` is a scalar; an axis may have size 0. */
export type Shape = readonly number[];

/** Number of elements: the product of the sizes, 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    strides[axis] = stride;
    stride *= shape[axis] ?? 1;
  }
  return strides;
}

/**
 * The shape two operands broadcast to (NumPy's rule: align at the last axis, sizes must match or one be 1).
 * @throws TesseraeError `shape-mismatch` when they do not.
 */
export function broadcastShapes(a: Shape, b: Shape, where = 'broadcast'): Shape {
  const rank = Math.max(a.length, b.length);
  const result = new Array<number>(rank);
  for (let axis = 0; axis < rank; axis += 1) {
    const left = a[a.length - rank + axis] ?? 1;
    const right = b[b.length - rank + axis] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new TesseraeError('shape-mismatch', `${where}: ${formatShape(a)} and ${formatShape(b)} do not broadcast.`, {
        remedy: 'Make the sizes equal or 1, counting from the last axis.',
        details: { a, b },
      });
    }
    result[axis] = left === 1 ? right : left;
  }
  return result;
}

/** Turns a possibly negative axis into 0…rank−1. @throws TesseraeError `invalid-argument` when it is out of range. */
export function normaliseAxis(axis: number, rank: number, where: string): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw new TesseraeError('invalid-argument', `${where}: axis ${axis} does not exist in a tensor of rank ${rank}.`, {
      remedy: `Use an axis between ${-rank} and ${rank - 1}.`,
      details: { axis, rank },
    });
  }
  return positive;
}
