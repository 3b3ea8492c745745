import { formatShape, type Shape } from '@tesserae/core';
import { refuseDamaged, refuseUnsafe } from './refusal.js';

/** Where a tensor's elements lie in its storage, all counted in elements. */
export interface StridedLayout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Storage is read in pieces of at most this many bytes when a tensor is scattered over it. */
const windowBytes = 16 << 20;

/** A view may repeat elements (stride 0). Up to this many bytes it may be larger than its file. */
const expansionBytes = 16 << 20;

export function countElements(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Row-major strides. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis -= 1) strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

/** Whether elements lie one after another, row-major. */
export function isContiguous({ shape, strides }: Pick<StridedLayout, 'shape' | 'strides'>): boolean {
  const rowMajor = contiguousStrides(shape);
  return shape.every((extent, axis) => extent === 1 || strides[axis] === rowMajor[axis]);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/**
 * Refuses a layout that leaves its storage, before a byte is read or allocated for it.
 * @throws TesseraeError `file-corrupt`, or `file-unsafe` for a view that would unfold to far more than the file holds.
 */
export function checkLayout(
  layout: StridedLayout,
  storage: { readonly elements: number; readonly width: number },
  tensor: string,
  file: { readonly name: string; readonly size: number },
): void {
  const { shape, strides, offset } = layout;
  const refuse = (problem: string) => refuseDamaged(file.name, `tensor '${tensor}' ${problem}`, { tensor, shape, strides, offset, elements: storage.elements });
  if (shape.length !== strides.length) refuse(`has a shape of ${shape.length} and a stride of ${strides.length} numbers`);
  if (shape.length > 16) refuse(`has ${shape.length} dimensions`);
  if (!shape.every(isCount)) refuse(`has the shape ${formatShape(shape)}`);
  if (!strides.every(isCount)) refuse(`has the stride ${formatShape(strides)}`);
  if (!isCount(offset)) refuse(`has the storage offset ${offset}`);
  const elements = countElements(shape);
  if (!Number.isSafeInteger(elements)) refuse(`has the shape ${formatShape(shape)}, which no memory holds`);
  if (elements === 0) return;
  // Beyond 2^53 the sum loses digits but stays huge: the comparison holds.
  const last = offset + shape.reduce((sum, extent, axis) => sum + (extent - 1) * (strides[axis] ?? 0), 0);
  if (offset >= storage.elements) refuse(`starts at the storage offset ${offset}, but its storage has ${storage.elements} elements`);
  if (last >= storage.elements) refuse(`of shape ${formatShape(shape)} needs ${last + 1} elements of a storage that has ${storage.elements}`);
  if (elements * storage.width > Math.max(file.size, expansionBytes)) {
    refuseUnsafe(file.name, `tensor '${tensor}' of shape ${formatShape(shape)} unfolds ${storage.elements} stored elements to ${elements}`, { tensor, shape, strides });
  }
}

/** Reads bytes of a storage. */
export type ReadRange = (byteOffset: number, length: number) => Promise<Uint8Array>;

interface Axis {
  readonly extent: number;
  /** In elements. */
  readonly from: number;
  readonly to: number;
}

/** One number an element; elements of 8 bytes are two numbers. A copy if the bytes do not start where such numbers may. */
function numbers(bytes: Uint8Array, width: number): Uint8Array | Uint16Array | Uint32Array {
  if (width === 1) return bytes;
  const unit = width === 2 ? 2 : 4;
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % unit === 0 ? bytes : new Uint8Array(bytes);
  return unit === 2 ? new Uint16Array(buffer, byteOffset, byteLength / 2) : new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** Copies a block, innermost axis last. */
function copyBlock(axes: readonly Axis[], depth: number, stored: ArrayLike<number>, from: number, into: Uint8Array | Uint16Array | Uint32Array, to: number): void {
  const axis = axes[depth];
  if (axis === undefined) {
    into[to] = stored[from] ?? 0;
  } else if (depth === axes.length - 1) {
    for (let index = 0; index < axis.extent; index += 1) into[to + index * axis.to] = stored[from + index * axis.from] ?? 0;
  } else {
    for (let index = 0; index < axis.extent; index += 1) copyBlock(axes, depth + 1, stored, from + index * axis.from, into, to + index * axis.to);
  }
}

/**
 * A tensor's elements, row-major, of a checked layout. Only what it spans is read, at most 16 MiB at a time when it is
 * not contiguous: memory stays at the tensor plus one piece.
 */
export async function readStrided({ shape, strides, offset }: StridedLayout, width: number, read: ReadRange): Promise<Uint8Array> {
  const elements = countElements(shape);
  if (elements === 0) return new Uint8Array(0);
  const rowMajor = contiguousStrides(shape);
  if (isContiguous({ shape, strides })) return read(offset * width, elements * width);
  // Widest stride first: cutting that axis keeps every piece of storage short.
  const axes = shape
    .map((extent, axis): Axis => ({ extent, from: strides[axis] ?? 0, to: rowMajor[axis] ?? 0 }))
    .filter(({ extent }) => extent > 1)
    .sort((a, b) => b.from - a.from);
  const result = new Uint8Array(elements * width);
  const into = numbers(result, width);
  const gather = async (whole: readonly Axis[], from: number, to: number): Promise<void> => {
    const span = whole.reduce((sum, axis) => sum + (axis.extent - 1) * axis.from, 1);
    const [outer, ...inner] = whole;
    if (span * width <= windowBytes || outer === undefined) {
      const stored = numbers(await read(from * width, span * width), width);
      // Longest axis innermost: a kernel's 3 × 3 would make a loop of three of every pass.
      const block = [...whole].sort((a, b) => a.extent - b.extent);
      if (width === 8) {
        const doubled = block.map((axis) => ({ ...axis, from: axis.from * 2, to: axis.to * 2 }));
        copyBlock([...doubled, { extent: 2, from: 1, to: 1 }], 0, stored, 0, into, to * 2);
      } else copyBlock(block, 0, stored, 0, into, to);
      return;
    }
    const innerSpan = inner.reduce((sum, axis) => sum + (axis.extent - 1) * axis.from, 1);
    const step = Math.max(1, Math.floor((windowBytes / width - innerSpan) / outer.from));
    for (let start = 0; start < outer.extent; start += step) {
      const extent = Math.min(step, outer.extent - start);
      await gather(extent === 1 ? inner : [{ ...outer, extent }, ...inner], from + start * outer.from, to + start * outer.to);
    }
  };
  await gather(axes, offset, 0);
  return result;
}
