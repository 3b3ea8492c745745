import type { Grid, Picture } from '@tesserae/core';

/** Part of an axis: what is wanted of it, and the window that must be seen for that. All ends exclusive. */
export interface Tile {
  readonly start: number;
  readonly end: number;
  readonly windowStart: number;
  readonly windowEnd: number;
}

/** Cuts an axis of `length` codes into tiles of at most `size`, each with `reach` more on both sides where there is more. */
export function tilesOf(length: number, size: number, reach: number): Tile[] {
  return Array.from({ length: Math.ceil(length / size) }, (_, index) => {
    const [start, end] = [index * size, Math.min(length, (index + 1) * size)];
    return { start, end, windowStart: Math.max(0, start - reach), windowEnd: Math.min(length, end + reach) };
  });
}

/** A rectangle out of rows of `stride` elements of `depth` numbers each. */
function cut<Numbers extends Uint8Array | Int32Array>(
  source: Numbers,
  target: Numbers,
  { stride, depth, rows, columns }: { readonly stride: number; readonly depth: number; readonly rows: readonly [number, number]; readonly columns: readonly [number, number] },
): Numbers {
  for (let row = rows[0]; row < rows[1]; row += 1) {
    target.set(source.subarray((row * stride + columns[0]) * depth, (row * stride + columns[1]) * depth), (row - rows[0]) * (columns[1] - columns[0]) * depth);
  }
  return target;
}

/** The pixels in rows and columns `[from, to)`. */
export function cropPicture({ width, data }: Picture, rows: readonly [number, number], columns: readonly [number, number]): Picture {
  const [height, narrow] = [rows[1] - rows[0], columns[1] - columns[0]];
  return { width: narrow, height, data: cut(data, new Uint8Array(height * narrow * 3), { stride: width, depth: 3, rows, columns }) };
}

/** The codes in rows and columns `[from, to)` of a grid `stride` codes wide. */
export function cropCodes(codes: Int32Array, stride: number, rows: readonly [number, number], columns: readonly [number, number]): Int32Array {
  return cut(codes, new Int32Array((rows[1] - rows[0]) * (columns[1] - columns[0])), { stride, depth: 1, rows, columns });
}

/** Writes a smaller picture into a larger one at (row, column). */
export function placePicture(target: Picture, { width, height, data }: Picture, row: number, column: number): void {
  for (let y = 0; y < height; y += 1) target.data.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((row + y) * target.width + column) * 3);
}

/** Writes a smaller grid of codes into one `stride` codes wide at (row, column). */
export function placeCodes(target: Int32Array, stride: number, codes: Int32Array, columns: number, row: number, column: number): void {
  for (let y = 0; y * columns < codes.length; y += 1) target.set(codes.subarray(y * columns, (y + 1) * columns), (row + y) * stride + column);
}

/** The grid as it goes on where it is repeated: `reach` more codes on each side. */
export function repeatAround(codes: Int32Array, { rows, columns }: Grid, reach: number): { readonly codes: Int32Array; readonly grid: Grid } {
  const grid = { rows: rows + 2 * reach, columns: columns + 2 * reach };
  const wrap = (index: number, length: number): number => (((index - reach) % length) + length) % length;
  const repeated = Int32Array.from({ length: grid.rows * grid.columns }, (_, index) => {
    return codes[wrap(Math.floor(index / grid.columns), rows) * columns + wrap(index % grid.columns, columns)] ?? 0;
  });
  return { codes: repeated, grid };
}

/** The same of a picture: `reach` more pixels on each side. */
export function repeatPictureAround({ width, height, data }: Picture, reach: number): Picture {
  const wide = { width: width + 2 * reach, height: height + 2 * reach };
  const repeated = new Uint8Array(wide.width * wide.height * 3);
  const wrap = (index: number, length: number): number => (((index - reach) % length) + length) % length;
  for (let y = 0; y < wide.height; y += 1) {
    for (let x = 0; x < wide.width; x += 1) {
      const from = (wrap(y, height) * width + wrap(x, width)) * 3;
      repeated.set(data.subarray(from, from + 3), (y * wide.width + x) * 3);
    }
  }
  return { ...wide, data: repeated };
}
