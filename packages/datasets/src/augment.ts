import { deriveKey, type Key, type Picture, TesseraeError, uniform, uniformInteger } from '@tesserae/core';

/** Sizes that a square is resized to before the last crop, as multiples of the wanted size (DALL-E paper, Listing 1; Listing 2 ends at the first). */
const [smallestResize, largestResize] = [9 / 8, 12 / 8];

/** The short side beyond which a picture has nothing more to give to `augmentPicture`. */
export function largestUsefulSide(size: number): number {
  return Math.round(largestResize * size);
}

/** One axis of an area resize: for each new pixel the old ones it covers, and how much of each. TensorFlow's align_corners: the ends lie on the ends. */
function coverage(from: number, to: number): readonly (readonly (readonly [pixel: number, weight: number])[])[] {
  const scale = to > 1 ? (from - 1) / (to - 1) : from;
  return Array.from({ length: to }, (_, index) => {
    const [start, end] = [index * scale, (index + 1) * scale];
    const covered: [number, number][] = [];
    for (let pixel = Math.floor(start); pixel < end; pixel += 1) {
      covered.push([Math.min(from - 1, pixel), (Math.min(end, pixel + 1) - Math.max(start, pixel)) / scale]);
    }
    return covered;
  });
}

/** A square of a picture at (top, left), resized to `to`×`to` by the area that each new pixel covers. */
function resizeSquare({ width, data }: Picture, { top, left, side }: { readonly top: number; readonly left: number; readonly side: number }, to: number): Picture {
  const resized = new Uint8Array(to * to * 3);
  const covered = side === to ? Array.from({ length: to }, (_, index) => [[index, 1]] as const) : coverage(side, to);
  covered.forEach((rows, y) => {
    covered.forEach((columns, x) => {
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0;
        for (const [row, rowWeight] of rows)
          for (const [column, columnWeight] of columns) sum += rowWeight * columnWeight * (data[((top + row) * width + left + column) * 3 + channel] ?? 0);
        resized[(y * to + x) * 3 + channel] = Math.min(255, Math.max(0, Math.round(sum)));
      }
    });
  });
  return { width: to, height: to, data: resized };
}

/** @throws TesseraeError `image-invalid` for a picture that is smaller than `size`. */
function shortSide({ width, height }: Picture, size: number): number {
  const short = Math.min(width, height);
  if (short >= size) return short;
  throw new TesseraeError('image-invalid', `A picture of ${width}×${height} pixels has no part of ${size}×${size}.`, {
    remedy: 'Enlarge it first, or train at a smaller size.',
  });
}

/** A whole number from `first` to `last`, both included. */
function pick(key: Key, purpose: string, first: number, last: number): number {
  return first + uniformInteger(deriveKey(key, purpose), last - first + 1);
}

/** A part of size×size anywhere in a square picture, as RGB bytes. */
function cropAnywhere({ width, data }: Picture, size: number, key: Key, mirrored: boolean): Uint8Array {
  const [top, left] = [pick(key, 'top', 0, width - size), pick(key, 'left', 0, width - size)];
  const cropped = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      const from = ((top + y) * width + left + (mirrored ? size - 1 - x : x)) * 3;
      cropped.set(data.subarray(from, from + 3), (y * size + x) * 3);
    }
  }
  return cropped;
}

/**
 * The paper's augmentation of stage one (Listing 1): a random square as large as the short side, resized by area to a random size from 9/8
 * to 12/8 of the wanted one (never enlarged), a random crop of the wanted size, mirrored one time in two. The key alone decides.
 *
 * For image tokenizers only: they see no captions, which may speak of left and right.
 * @returns RGB bytes `[size, size, 3]`
 * @throws TesseraeError `image-invalid` for a picture that is smaller than `size`
 */
export function augmentPicture(picture: Picture, size: number, key: Key): Uint8Array {
  const side = shortSide(picture, size);
  const square = { top: pick(key, 'square top', 0, picture.height - side), left: pick(key, 'square left', 0, picture.width - side), side };
  const [least, most] = [Math.min(side, Math.round(smallestResize * size)), Math.min(side, largestUsefulSide(size))];
  const resized = resizeSquare(picture, square, pick(key, 'resize', least, most));
  return cropAnywhere(resized, size, key, uniform(deriveKey(key, 'mirror')) < 0.5);
}

/**
 * The paper's augmentation of stage two (Listing 2), for pictures that captions speak of: a square as large as the short side from the
 * middle quarter of the long one, resized by area to a random size up to 9/8 of the wanted one (never enlarged), a random crop of the
 * wanted size; never mirrored, as pictures may hold writing. The key alone decides.
 * @returns RGB bytes `[size, size, 3]`
 * @throws TesseraeError `image-invalid` for a picture that is smaller than `size`
 */
export function augmentCaptionedPicture(picture: Picture, size: number, key: Key): Uint8Array {
  const side = shortSide(picture, size);
  const middle = (purpose: string, length: number): number => {
    const [first, end] = [Math.floor((3 * (length - side)) / 8), Math.floor((5 * (length - side)) / 8)];
    return pick(key, purpose, first, Math.max(first + 1, end) - 1);
  };
  const square = { top: middle('square top', picture.height), left: middle('square left', picture.width), side };
  const resized = resizeSquare(picture, square, pick(key, 'resize', size, Math.min(side, Math.round(smallestResize * size))));
  return cropAnywhere(resized, size, key, false);
}
