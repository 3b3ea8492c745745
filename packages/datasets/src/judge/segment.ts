import { sceneSize } from '../scenes/scene.js';
import type { Rgb } from '../scenes/vocabulary.js';
import { distance, medianColour } from './nearest.js';

const pixelCount = sceneSize * sceneSize;
/** Objects keep 1.5 pixels from the edge, so this frame is background, at most blurred a little. */
const frame = 2;
/** Contrast that noise does not reach. The least between an object and a background is 87 (purple on gray). */
const leastContrast = 30;
/** How far a pixel that is solid inside its object lies from the object's edge, at most. */
const neighbourhood = 2;
/** The smallest object covers 70 pixels. What is smaller than this is a speck; between the two it is an object too many. */
const leastArea = 24;

/** What belongs to one object, at the scene's size. */
export interface Segment {
  /** Indices of pixels that are more object than background. */
  readonly core: readonly number[];
  /** Core and the pixels around it, which may be part object. Never part of another segment's core. */
  readonly region: readonly number[];
}

export interface Segmentation {
  readonly background: Rgb;
  /** In the order of their topmost pixels. */
  readonly segments: readonly Segment[];
  /** Share of the pixels outside all segments that have the background's colour. */
  readonly evenness: number;
}

export function pixelColour(pixels: Float32Array, pixel: number): Rgb {
  return [pixels[pixel * 3] ?? 0, pixels[pixel * 3 + 1] ?? 0, pixels[pixel * 3 + 2] ?? 0];
}

/** Indices of the pixels at most `reach` columns and rows away, itself among them. */
export function around(pixel: number, reach: number): number[] {
  const side = sceneSize;
  const column = pixel % side;
  const row = (pixel - column) / side;
  const found: number[] = [];
  for (let y = Math.max(0, row - reach); y <= Math.min(side - 1, row + reach); y += 1) {
    for (let x = Math.max(0, column - reach); x <= Math.min(side - 1, column + reach); x += 1) {
      found.push(y * side + x);
    }
  }
  return found;
}

function backgroundOf(pixels: Float32Array): Rgb {
  const sample: Rgb[] = [];
  for (let pixel = 0; pixel < pixelCount; pixel += 1) {
    const column = pixel % sceneSize;
    const row = (pixel - column) / sceneSize;
    if (Math.min(column, row, sceneSize - 1 - column, sceneSize - 1 - row) < frame) sample.push(pixelColour(pixels, pixel));
  }
  return medianColour(sample);
}

/** The greatest value at most `reach` away, rows first, then columns. */
function localMaximum(values: Float32Array, side: number, reach: number): Float32Array {
  let from = values;
  for (const step of [1, side]) {
    const to = new Float32Array(values.length);
    for (let pixel = 0; pixel < values.length; pixel += 1) {
      const position = step === 1 ? pixel % side : Math.floor(pixel / side);
      const last = Math.min(reach, side - 1 - position);
      let greatest = 0;
      for (let offset = -Math.min(reach, position); offset <= last; offset += 1) {
        const value = from[pixel + offset * step] ?? 0;
        if (value > greatest) greatest = value;
      }
      to[pixel] = greatest;
    }
    from = to;
  }
  return from;
}

/** Connected parts of a mask, diagonal neighbours included; the mask is emptied on the way. */
function components(mask: Float32Array): number[][] {
  const found: number[][] = [];
  for (let start = 0; start < mask.length; start += 1) {
    if (mask[start] !== 1) continue;
    mask[start] = 0;
    const component = [start];
    for (let next = 0; next < component.length; next += 1) {
      for (const neighbour of around(component[next] ?? 0, 1)) {
        if (mask[neighbour] === 1) {
          mask[neighbour] = 0;
          component.push(neighbour);
        }
      }
    }
    found.push(component);
  }
  return found;
}

/**
 * Separates objects from the background. A pixel is object where its contrast with the background is more than half of
 * the most around it: blurred edges then fall where the sharp ones were, whatever the object's colour, and the gap
 * between two objects stays open.
 * @param pixels float32 `[64, 64, 3]`, 0…255.
 */
export function segment(pixels: Float32Array): Segmentation {
  const background = backgroundOf(pixels);
  const contrast = new Float32Array(pixelCount);
  for (let pixel = 0; pixel < pixelCount; pixel += 1) contrast[pixel] = distance(pixelColour(pixels, pixel), background);
  const greatest = localMaximum(contrast, sceneSize, neighbourhood);
  const mask = contrast.map((value, pixel) => (value > leastContrast && value > (greatest[pixel] ?? 0) / 2 ? 1 : 0));
  const cores = components(mask).filter((component) => component.length >= leastArea);
  const owner = new Int32Array(pixelCount).fill(-1);
  cores.forEach((core, index) => {
    for (const pixel of core) owner[pixel] = index;
  });
  const inSegments = new Uint8Array(pixelCount);
  const segments = cores.map((core, index) => {
    const region = new Set<number>();
    for (const pixel of core) {
      for (const neighbour of around(pixel, neighbourhood)) {
        if (owner[neighbour] === index || owner[neighbour] === -1) region.add(neighbour);
      }
    }
    for (const pixel of region) inSegments[pixel] = 1;
    return { core, region: [...region] };
  });
  let outside = 0;
  let even = 0;
  for (let pixel = 0; pixel < pixelCount; pixel += 1) {
    if (inSegments[pixel] === 1) continue;
    outside += 1;
    if ((contrast[pixel] ?? 0) <= leastContrast) even += 1;
  }
  return { background, segments, evenness: outside === 0 ? 0 : even / outside };
}
