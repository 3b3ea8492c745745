import type { Picture } from '@tesserae/core';
import { type Polygon, placedOutlines } from './outlines.js';
import type { Scene } from './scene.js';
import { sceneSize } from './scene.js';
import { backgroundValues, colourValues } from './vocabulary.js';

/** Scan lines a pixel row; coverage along a line is exact, so 8 give edges as smooth as 8 × 256 samples a pixel. */
const linesPerPixel = 8;

function crossings(polygons: readonly Polygon[], y: number): number[] {
  const found: number[] = [];
  for (const polygon of polygons) {
    let previous = polygon[polygon.length - 1];
    for (const point of polygon) {
      // Half-open in y: a corner on the line counts once.
      if (previous !== undefined && previous[1] <= y !== point[1] <= y) {
        found.push(previous[0] + ((y - previous[1]) / (point[1] - previous[1])) * (point[0] - previous[0]));
      }
      previous = point;
    }
  }
  return found.sort((a, b) => a - b);
}

/**
 * How much of each pixel lies inside an odd number of the polygons (in pixels, y down).
 * @returns float32 `[height, width]`, 0…1.
 */
export function coverage(polygons: readonly Polygon[], width: number, height: number): Float32Array {
  const covered = new Float32Array(width * height);
  const ys = polygons.flat().map(([, y]) => y);
  const first = Math.max(0, Math.floor(Math.min(...ys)));
  const last = Math.min(height - 1, Math.ceil(Math.max(...ys)));
  for (let line = first * linesPerPixel; line < (last + 1) * linesPerPixel; line += 1) {
    const row = Math.floor(line / linesPerPixel) * width;
    const xs = crossings(polygons, (line + 0.5) / linesPerPixel);
    for (let pair = 0; pair + 1 < xs.length; pair += 2) {
      const left = Math.max(0, xs[pair] ?? 0);
      const right = Math.min(width, xs[pair + 1] ?? 0);
      for (let column = Math.floor(left); column < right; column += 1) {
        const span = Math.min(right, column + 1) - Math.max(left, column);
        covered[row + column] = (covered[row + column] ?? 0) + span / linesPerPixel;
      }
    }
  }
  return covered;
}

/**
 * Draws a scene, anti-aliased.
 * @param size side of the square picture in pixels, default 64 (the scene's own); other sizes scale everything.
 */
export function drawScene(scene: Scene, size: number = sceneSize): Picture {
  const scale = size / sceneSize;
  const data = new Uint8Array(size * size * 3);
  const background = backgroundValues[scene.background];
  for (let index = 0; index < data.length; index += 1) {
    data[index] = background[index % 3] ?? 0;
  }
  for (const object of scene.objects) {
    const outline = placedOutlines(object.shape, object.x * scale, object.y * scale, object.extent * scale, object.angle);
    const covered = coverage(outline, size, size);
    const colour = colourValues[object.colour];
    for (let pixel = 0; pixel < covered.length; pixel += 1) {
      const share = Math.min(1, covered[pixel] ?? 0);
      if (share > 0) {
        for (let channel = 0; channel < 3; channel += 1) {
          const index = pixel * 3 + channel;
          data[index] = Math.round((data[index] ?? 0) * (1 - share) + (colour[channel] ?? 0) * share);
        }
      }
    }
  }
  return { width: size, height: size, data };
}
