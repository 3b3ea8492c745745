import { type Backend, float32Array, type Grid, type ImageTokenizer, int32Array, type Picture, type Program, TesseraeError, type WeightSource } from '@tesserae/core';
import { architectureOf, canEncode, decodingGraph, encodingGraph, gridOf, type ImageTokenizerConfiguration } from './architectures.js';
import type { Reach } from './reach.js';
import { decodeInTiles, encodeInTiles } from './tiled.js';
import { cropCodes, cropPicture, repeatAround, repeatPictureAround } from './tiles.js';

export interface ImageTokenizerOptions {
  readonly configuration: ImageTokenizerConfiguration;
  readonly weights: WeightSource;
  readonly backend: Backend;
  /** Pictures of the training size worked on at once; of larger ones as many as have as many pixels together. Default 8. */
  readonly batch?: number;
  /**
   * Larger pictures are worked on in pieces of this many codes a side, each with as much around it as it looks at: memory stays bounded
   * and the result is the same. Default 64; without effect where norms or attention look at the whole picture (VQGANs): those take it whole, and
   * refuse it where their attention would need more than 4 GiB.
   */
  readonly tile?: number;
}

/** Bytes `[height, width, 3]` → floats `[3, height, width]` in [0, 1], written at `offset`. */
export function planarPixels(data: Uint8Array, target: Float32Array, offset: number): void {
  const plane = data.length / 3;
  for (let pixel = 0; pixel < plane; pixel += 1) {
    target[offset + pixel] = (data[pixel * 3] ?? 0) / 255;
    target[offset + plane + pixel] = (data[pixel * 3 + 1] ?? 0) / 255;
    target[offset + 2 * plane + pixel] = (data[pixel * 3 + 2] ?? 0) / 255;
  }
}

/** Floats `[3, height, width]` in [0, 1] at `offset` → a picture. */
export function pictureFromPlanes(source: Float32Array, offset: number, width: number, height: number): Picture {
  const plane = width * height;
  const data = new Uint8Array(plane * 3);
  for (let pixel = 0; pixel < plane; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) data[pixel * 3 + channel] = Math.round(255 * (source[offset + channel * plane + pixel] ?? 0));
  }
  return { width, height, data };
}

function checkPicture({ width, height, data }: Picture, downsampling: number): void {
  if (width % downsampling !== 0 || height % downsampling !== 0 || width === 0 || height === 0) {
    throw new TesseraeError('image-invalid', `A picture of ${width}×${height} pixels does not divide into codes of ${downsampling}×${downsampling}.`, {
      remedy: `Resize or crop it to multiples of ${downsampling}.`,
    });
  }
  if (data.length !== width * height * 3) {
    throw new TesseraeError('image-invalid', `A picture of ${width}×${height} pixels has ${data.length} bytes instead of ${width * height * 3}.`, {
      remedy: 'Give RGB bytes without alpha: [height, width, 3].',
    });
  }
}

/** A trained discrete VAE, or one of its relatives, as an image tokenizer: the codes that fit best, without noise. */
export function createImageTokenizer(options: ImageTokenizerOptions): ImageTokenizer {
  const { configuration, weights, backend, batch: largestBatch = 8, tile = 64 } = options;
  const { downsampling, reach } = architectureOf(configuration);
  const programs = new Map<string, Promise<Program>>();

  const compiled = (direction: 'encode' | 'decode', batch: number, grid: Grid): Promise<Program> => {
    const key = `${direction} ${batch}×${grid.rows}×${grid.columns}`;
    const known = programs.get(key);
    if (known !== undefined) return known;
    const graph = (direction === 'encode' ? encodingGraph : decodingGraph)(configuration, batch, grid);
    const made = backend.compile(graph, { weights });
    programs.set(key, made);
    // A failed compilation must not be remembered.
    made.catch(() => programs.delete(key));
    return made;
  };

  const trained = configuration.imageSize / downsampling;
  const batchOf = ({ rows, columns }: Grid): number => Math.max(1, Math.min(largestBatch, Math.floor((largestBatch * trained ** 2) / (rows * columns))));

  async function encodeWhole(pictures: readonly Picture[], signal: AbortSignal | undefined): Promise<Int32Array[]> {
    const results: Int32Array[] = [];
    for (let start = 0; start < pictures.length; ) {
      signal?.throwIfAborted();
      const { width, height } = pictures[start] ?? { width: 0, height: 0 };
      const grid = { rows: height / downsampling, columns: width / downsampling };
      let end = start;
      while (end < pictures.length && end - start < batchOf(grid) && pictures[end]?.width === width && pictures[end]?.height === height) end += 1;
      const count = end - start;
      const pixels = new Float32Array(count * 3 * width * height);
      pictures.slice(start, end).forEach((picture, index) => {
        planarPixels(picture.data, pixels, index * 3 * width * height);
      });
      const program = await compiled('encode', count, grid);
      const { codes } = await program.run({ pixels: float32Array([count, 3, height, width], pixels) }, signal === undefined ? {} : { signal });
      const size = grid.rows * grid.columns;
      for (let index = 0; index < count; index += 1) results.push(Int32Array.from(codes?.data.subarray(index * size, (index + 1) * size) ?? []));
      start = end;
    }
    return results;
  }

  async function decodeWhole(codes: readonly Int32Array[], grid: Grid, signal: AbortSignal | undefined): Promise<Picture[]> {
    const size = grid.rows * grid.columns;
    const pictures: Picture[] = [];
    const [width, height] = [grid.columns * downsampling, grid.rows * downsampling];
    const batch = batchOf(grid);
    for (let start = 0; start < codes.length; start += batch) {
      signal?.throwIfAborted();
      const part = codes.slice(start, start + batch);
      const flat = new Int32Array(part.length * size);
      part.forEach((list, index) => {
        flat.set(list, index * size);
      });
      const program = await compiled('decode', part.length, grid);
      const { pixels } = await program.run({ codes: int32Array([part.length, grid.rows, grid.columns], flat) }, signal === undefined ? {} : { signal });
      for (let index = 0; index < part.length; index += 1) pictures.push(pictureFromPlanes(pixels?.data as Float32Array, index * 3 * width * height, width, height));
    }
    return pictures;
  }

  const isLarge = ({ rows, columns }: Grid): boolean => rows > tile || columns > tile;

  /** As it is at the edges of a picture that is repeated: convolutions that wrap around and plain ones on the repeated picture are the same thing. */
  async function encodeLarge(picture: Picture, { encode: around }: Reach, signal: AbortSignal | undefined): Promise<Int32Array> {
    const tiles = { tile, reach: around, downsampling, encode: (part: Picture) => encodeWhole([part], signal) };
    if (configuration.seamless !== true) return encodeInTiles(picture, tiles);
    const [rows, columns] = [picture.height / downsampling, picture.width / downsampling];
    const codes = await encodeInTiles(repeatPictureAround(picture, around * downsampling), tiles);
    return cropCodes(codes, columns + 2 * around, [around, around + rows], [around, around + columns]);
  }

  async function decodeAny(codes: readonly Int32Array[], grid: Grid, signal: AbortSignal | undefined): Promise<Picture[]> {
    if (reach === undefined || !isLarge(grid)) return decodeWhole(codes, grid, signal);
    const pictures: Picture[] = [];
    for (const list of codes)
      pictures.push(await decodeInTiles(list, grid, { tile, reach: reach.decode, downsampling, decode: (part, size) => decodeWhole([part], size, signal) }));
    return pictures;
  }

  return {
    specificationVersion: 'v1',
    codebookSize: configuration.codebookSize,
    downsampling,
    grid: gridOf(configuration),

    async encode(pictures, { signal } = {}) {
      if (!canEncode(configuration)) {
        throw new TesseraeError('model-incompatible', 'This image tokenizer has a decoder only: it makes pictures of codes, not codes of pictures.', {
          remedy: 'Use the whole tokenizer that its codes come from.',
        });
      }
      for (const picture of pictures) checkPicture(picture, downsampling);
      const results: Int32Array[] = [];
      for (let start = 0; start < pictures.length; ) {
        const gridOf = ({ width, height }: Picture): Grid => ({ rows: height / downsampling, columns: width / downsampling });
        const large = reach === undefined ? -1 : pictures.findIndex((picture, index) => index >= start && isLarge(gridOf(picture)));
        const end = large === -1 ? pictures.length : large;
        results.push(...(await encodeWhole(pictures.slice(start, end), signal)));
        const picture = pictures[end];
        if (picture !== undefined && reach !== undefined) results.push(await encodeLarge(picture, reach, signal));
        start = end + 1;
      }
      return results;
    },

    async decode(codes, grid, { signal, seamless = false } = {}) {
      const size = grid.rows * grid.columns;
      for (const list of codes) {
        if (list.length !== size)
          throw new TesseraeError('shape-mismatch', `${list.length} codes do not fill a grid of ${grid.rows}×${grid.columns}.`, { remedy: `Give ${size} codes a picture.` });
        const wrong = list.find((code) => code < 0 || code >= configuration.codebookSize);
        if (wrong !== undefined)
          throw new TesseraeError('invalid-argument', `Code ${wrong} is not in the codebook of ${configuration.codebookSize}.`, {
            remedy: `Codes are 0 to ${configuration.codebookSize - 1}.`,
          });
      }
      const inherent = configuration.seamless === true;
      if (inherent ? reach === undefined || !isLarge(grid) : !seamless) return decodeAny(codes, grid, signal);
      if (reach === undefined) {
        throw new TesseraeError('invalid-argument', `A tokenizer of the kind '${configuration.kind}' looks at the whole picture and cannot decode one without seams.`, {
          remedy: 'Leave seamless out, or use a purely convolutional tokenizer (dvae, vq-vae, strided-dvae), or one trained with seamless: true.',
        });
      }
      // Convolutions that wrap around and plain ones on the repeated picture are the same thing, as far as they look.
      const { decode: around } = reach;
      const repeated = codes.map((list) => repeatAround(list, grid, around));
      const wider = { rows: grid.rows + 2 * around, columns: grid.columns + 2 * around };
      const pictures = await decodeAny(
        repeated.map((one) => one.codes),
        wider,
        signal,
      );
      const inner = (length: number): [number, number] => [around * downsampling, (around + length) * downsampling];
      return pictures.map((picture) => cropPicture(picture, inner(grid.rows), inner(grid.columns)));
    },

    dispose() {
      for (const program of programs.values()) void program.then((made) => made.dispose()).catch(() => undefined);
      programs.clear();
    },
  };
}
