import type { Shape } from './vocabulary.js';

/** A closed polygon in the shape's own frame: x to the right, y down, the larger side of the bounding box spans −1…1. */
export type Polygon = readonly (readonly [x: number, y: number])[];

const circleCorners = 64;
/** Inner over outer radius. A regular pentagram has 0.38; a little fuller keeps a 14-pixel star readable. */
const starInnerRadius = 0.45;
const crossArm = 0.36;
/** Narrower than high, as on playing cards: a turned square would be the same shape otherwise. */
const diamondHalfWidth = 0.72;
const ringHole = 0.52;

function circle(radius: number): Polygon {
  return Array.from({ length: circleCorners }, (_, corner) => {
    const angle = (2 * Math.PI * corner) / circleCorners;
    return [radius * Math.cos(angle), radius * Math.sin(angle)] as const;
  });
}

function star(): Polygon {
  return Array.from({ length: 10 }, (_, corner) => {
    const angle = (Math.PI * corner) / 5 - Math.PI / 2;
    const radius = corner % 2 === 0 ? 1 : starInnerRadius;
    return [radius * Math.cos(angle), radius * Math.sin(angle)] as const;
  });
}

/** The usual parametric heart: x = 16 sin³t, y = −(13 cos t − 5 cos 2t − 2 cos 3t − cos 4t). */
function heart(): Polygon {
  return Array.from({ length: circleCorners }, (_, corner) => {
    const t = (2 * Math.PI * corner) / circleCorners;
    return [16 * Math.sin(t) ** 3, -(13 * Math.cos(t) - 5 * Math.cos(2 * t) - 2 * Math.cos(3 * t) - Math.cos(4 * t))] as const;
  });
}

/** Moves and scales so that the bounding box is centred on the origin and its larger side spans −1…1. */
function fitted(polygon: Polygon): Polygon {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const half = Math.max(right - left, bottom - top) / 2;
  return polygon.map(([x, y]) => [(x - (left + right) / 2) / half, (y - (top + bottom) / 2) / half] as const);
}

/** What is inside an odd number of a shape's polygons belongs to it; so the ring's second polygon is its hole. */
export const outlines: { readonly [Name in Shape]: readonly Polygon[] } = {
  circle: [circle(1)],
  square: [
    [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ],
  ],
  triangle: [
    fitted([
      [0, -Math.sqrt(3)],
      [1, 0],
      [-1, 0],
    ]),
  ],
  star: [fitted(star())],
  cross: [
    [
      [-crossArm, -1],
      [crossArm, -1],
      [crossArm, -crossArm],
      [1, -crossArm],
      [1, crossArm],
      [crossArm, crossArm],
      [crossArm, 1],
      [-crossArm, 1],
      [-crossArm, crossArm],
      [-1, crossArm],
      [-1, -crossArm],
      [-crossArm, -crossArm],
    ],
  ],
  diamond: [
    [
      [0, -1],
      [diamondHalfWidth, 0],
      [0, 1],
      [-diamondHalfWidth, 0],
    ],
  ],
  ring: [circle(1), circle(ringHole)],
  heart: [fitted(heart())],
};

/** The polygons in picture coordinates: `extent` pixels across before turning by `angle` degrees (clockwise). */
export function placedOutlines(shape: Shape, x: number, y: number, extent: number, angle: number): readonly Polygon[] {
  const half = extent / 2;
  const cosine = Math.cos((angle * Math.PI) / 180) * half;
  const sine = Math.sin((angle * Math.PI) / 180) * half;
  return outlines[shape].map((polygon) => polygon.map(([px, py]) => [x + px * cosine - py * sine, y + px * sine + py * cosine] as const));
}

/** How far a shape reaches from its centre to each side, in pixels: the larger of left and right, and of up and down. */
export function halfExtents(shape: Shape, extent: number, angle: number): { readonly x: number; readonly y: number } {
  const points = placedOutlines(shape, 0, 0, extent, angle).flat();
  return { x: Math.max(...points.map(([x]) => Math.abs(x))), y: Math.max(...points.map(([, y]) => Math.abs(y))) };
}
