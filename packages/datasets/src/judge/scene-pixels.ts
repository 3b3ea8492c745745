import { type Picture, TesseraeError } from '@tesserae/core';
import { sceneSize } from '../scenes/scene.js';

/** Below this a small object is only seven pixels wide, and shapes cannot be told apart. */
const smallestSide = 32;

/** For each of the scene's 64 columns (or rows): which of the picture's it mixes, with weights that sum to 1. */
function mixtures(side: number): readonly (readonly (readonly [source: number, weight: number])[])[] {
  const ratio = side / sceneSize;
  const reach = Math.max(1, ratio);
  return Array.from({ length: sceneSize }, (_, target) => {
    const middle = (target + 0.5) * ratio - 0.5;
    const parts: [number, number][] = [];
    for (let source = Math.ceil(middle - reach); source <= Math.floor(middle + reach); source += 1) {
      const weight = 1 - Math.abs(source - middle) / reach;
      if (weight > 0) parts.push([Math.min(side - 1, Math.max(0, source)), weight]);
    }
    const sum = parts.reduce((total, [, weight]) => total + weight, 0);
    return parts.map(([source, weight]) => [source, weight / sum] as const);
  });
}

/**
 * The picture at the scene's own size, so that everything after this counts in its pixels.
 * @returns float32 `[64, 64, 3]`, 0…255.
 * @throws TesseraeError `image-invalid` for a picture that is not square, narrower than 32 pixels, or short of bytes.
 */
export function scenePixels(picture: Picture): Float32Array {
  const { width, height, data } = picture;
  if (width !== height || width < smallestSide || data.length !== width * height * 3) {
    throw new TesseraeError('image-invalid', `A picture of ${width}×${height} pixels with ${data.length} bytes cannot be judged.`, {
      remedy: `Give a square RGB picture, at least ${smallestSide} pixels wide.`,
      details: { width, height, bytes: data.length },
    });
  }
  if (width === sceneSize) return Float32Array.from(data);
  const parts = mixtures(width);
  const narrowed = new Float32Array(height * sceneSize * 3);
  for (let row = 0; row < height; row += 1) {
    parts.forEach((mixture, column) => {
      for (const [source, weight] of mixture) {
        for (let channel = 0; channel < 3; channel += 1) {
          const target = (row * sceneSize + column) * 3 + channel;
          narrowed[target] = (narrowed[target] ?? 0) + weight * (data[(row * width + source) * 3 + channel] ?? 0);
        }
      }
    });
  }
  const pixels = new Float32Array(sceneSize * sceneSize * 3);
  const rowLength = sceneSize * 3;
  parts.forEach((mixture, row) => {
    for (const [source, weight] of mixture) {
      for (let index = 0; index < rowLength; index += 1) {
        const target = row * rowLength + index;
        pixels[target] = (pixels[target] ?? 0) + weight * (narrowed[source * rowLength + index] ?? 0);
      }
    }
  });
  return pixels;
}
