import type { Grid, Picture } from '@tesserae/core';
import { cropCodes, cropPicture, placeCodes, placePicture, type Tile, tilesOf } from './tiles.js';

interface Tiling {
  /** Codes a tile is wide and high. */
  readonly tile: number;
  /** Codes around it that it looks at. */
  readonly reach: number;
  /** Pixels a code is wide and high. */
  readonly downsampling: number;
}

/** Where the wanted part lies in a tile's window. */
const insideWindow = ({ start, end, windowStart }: Tile): readonly [number, number] => [start - windowStart, end - windowStart];

/** Encodes a picture tile by tile: one window in memory at a time. `encode` gives the codes of a window. */
export async function encodeInTiles(picture: Picture, tiling: Tiling & { readonly encode: (window: Picture) => Promise<Int32Array[]> }): Promise<Int32Array> {
  const { tile, reach, downsampling, encode } = tiling;
  const [rows, columns] = [picture.height / downsampling, picture.width / downsampling];
  const codes = new Int32Array(rows * columns);
  const pixels = ({ windowStart, windowEnd }: Tile): readonly [number, number] => [windowStart * downsampling, windowEnd * downsampling];
  for (const row of tilesOf(rows, tile, reach)) {
    for (const column of tilesOf(columns, tile, reach)) {
      const [window = new Int32Array()] = await encode(cropPicture(picture, pixels(row), pixels(column)));
      const wanted = cropCodes(window, column.windowEnd - column.windowStart, insideWindow(row), insideWindow(column));
      placeCodes(codes, columns, wanted, column.end - column.start, row.start, column.start);
    }
  }
  return codes;
}

/** Decodes a grid tile by tile. `decode` gives the picture of a window of codes. */
export async function decodeInTiles(codes: Int32Array, grid: Grid, tiling: Tiling & { readonly decode: (window: Int32Array, size: Grid) => Promise<Picture[]> }): Promise<Picture> {
  const { tile, reach, downsampling, decode } = tiling;
  const [width, height] = [grid.columns * downsampling, grid.rows * downsampling];
  const picture: Picture = { width, height, data: new Uint8Array(width * height * 3) };
  const pixels = (of: Tile): readonly [number, number] => {
    const [from, to] = insideWindow(of);
    return [from * downsampling, to * downsampling];
  };
  for (const row of tilesOf(grid.rows, tile, reach)) {
    for (const column of tilesOf(grid.columns, tile, reach)) {
      const window = cropCodes(codes, grid.columns, [row.windowStart, row.windowEnd], [column.windowStart, column.windowEnd]);
      const [decoded] = await decode(window, { rows: row.windowEnd - row.windowStart, columns: column.windowEnd - column.windowStart });
      if (decoded !== undefined) placePicture(picture, cropPicture(decoded, pixels(row), pixels(column)), row.start * downsampling, column.start * downsampling);
    }
  }
  return picture;
}
