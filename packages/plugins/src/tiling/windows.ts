import type { Grid } from '@tesserae/core';

/** Where a window lies on the canvas, in tokens. */
export interface WindowPlace {
  readonly row: number;
  readonly column: number;
}

/** Starts along one axis: steps of size − overlap, the last one pulled back to end at the edge. */
function starts(canvas: number, size: number, overlap: number): number[] {
  const found: number[] = [];
  for (let start = 0; start + size < canvas; start += size - overlap) found.push(start);
  found.push(canvas - size);
  return found;
}

/** Windows that cover a canvas in reading order, so that each has its known tokens above and to the left. */
export function windowPlaces(canvas: Grid, size: Grid, overlap: number): WindowPlace[] {
  return starts(canvas.rows, size.rows, overlap).flatMap((row) => starts(canvas.columns, size.columns, overlap).map((column) => ({ row, column })));
}

/** The part of a canvas under a window. */
export function cutWindow(canvas: Int32Array, canvasGrid: Grid, place: WindowPlace, size: Grid): Int32Array {
  const window = new Int32Array(size.rows * size.columns);
  for (let row = 0; row < size.rows; row += 1) {
    const start = (place.row + row) * canvasGrid.columns + place.column;
    window.set(canvas.subarray(start, start + size.columns), row * size.columns);
  }
  return window;
}

/** Writes a window's tokens into the canvas. */
export function pasteWindow(canvas: Int32Array, canvasGrid: Grid, place: WindowPlace, size: Grid, window: Int32Array): void {
  for (let row = 0; row < size.rows; row += 1) {
    canvas.set(window.subarray(row * size.columns, (row + 1) * size.columns), (place.row + row) * canvasGrid.columns + place.column);
  }
}
