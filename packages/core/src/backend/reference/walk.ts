import { type Shape, sizeOf, stridesOf } from '../../tensor/index.js';

/** Where one operand's elements lie while those of a shape are visited in row-major order. */
export interface OperandWalk {
  /** Its first element's offset, by row. */
  readonly starts: Int32Array;
  /** From one element of a row to the next. */
  readonly step: number;
}

/** The elements of a shape as rows of neighbours: as few rows as the operands' steps allow. */
export interface Walk {
  readonly rows: number;
  readonly length: number;
  readonly operands: readonly OperandWalk[];
}

/** Steps along the axes of `shape` through an array of `source` shape that broadcasts to it. */
export function broadcastSteps(source: Shape, shape: Shape): number[] {
  const strides = stridesOf(source);
  const lead = shape.length - source.length;
  return shape.map((_, axis) => (axis < lead || source[axis - lead] === 1 ? 0 : (strides[axis - lead] ?? 0)));
}

/** The offsets of `shape`'s elements in row-major order, for an operand with these steps. */
function offsetsOf(shape: Shape, steps: readonly number[]): Int32Array {
  const offsets = new Int32Array(sizeOf(shape));
  const index = new Int32Array(shape.length);
  let offset = 0;
  for (let position = 0; position < offsets.length; position += 1) {
    offsets[position] = offset;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const [step, size, next] = [steps[axis] ?? 0, shape[axis] ?? 1, (index[axis] ?? 0) + 1];
      offset += step;
      index[axis] = next;
      if (next < size) break;
      offset -= step * size;
      index[axis] = 0;
    }
  }
  return offsets;
}

/** Walks a shape with operands whose steps along its axes are given. Axes that all operands step through as if they were one are one. */
export function walk(shape: Shape, operands: readonly (readonly number[])[]): Walk {
  const sizes: number[] = [];
  const steps: number[][] = operands.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const joins = last >= 0 && operands.every((own, operand) => steps[operand]?.[last] === (own[axis] ?? 0) * size);
    if (joins) sizes[last] = (sizes[last] ?? 1) * size;
    else sizes.push(size);
    operands.forEach((own, operand) => {
      const merged = steps[operand];
      if (merged !== undefined) merged[sizes.length - 1] = own[axis] ?? 0;
    });
  });
  const length = sizes.pop() ?? 1;
  return { rows: sizeOf(sizes), length, operands: steps.map((own) => ({ starts: offsetsOf(sizes, own), step: own[sizes.length] ?? 0 })) };
}
