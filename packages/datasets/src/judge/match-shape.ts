import { sceneSize } from '../scenes/scene.js';
import { type Shape, shapes } from '../scenes/vocabulary.js';
import { type Template, templateReach, templateSide } from './templates.js';

/** Blur of a picture beyond this, in its pixels, is not a picture of a shape any more. */
const mostBlur = 1.3;

export interface ShapeMatch {
  /** The best template of the best shape. */
  readonly template: Template;
  /** The best score of every shape: shared over joint coverage (a soft intersection over union), 0…1. */
  readonly scores: { readonly [Name in Shape]: number };
  /** Centre of the bounding box, in pixels of the scene. */
  readonly x: number;
  readonly y: number;
  /** Pixels across before turning, as of a shape with the measured area. */
  readonly extent: number;
}

/** Reads a square map between its pixels, 0 outside. `x` and `y` in pixels; a pixel's middle is at its index + ½. */
function bilinear(map: Float32Array, side: number, x: number, y: number): number {
  const left = Math.floor(x - 0.5);
  const top = Math.floor(y - 0.5);
  if (left < 0 || top < 0 || left + 1 >= side || top + 1 >= side) return 0; // objects do not reach the outermost pixels
  const right = x - 0.5 - left;
  const down = y - 0.5 - top;
  const corner = top * side + left;
  const upper = (map[corner] ?? 0) * (1 - right) + (map[corner + 1] ?? 0) * right;
  const lower = (map[corner + side] ?? 0) * (1 - right) + (map[corner + side + 1] ?? 0) * right;
  return upper * (1 - down) + lower * down;
}

function similarity(one: Float32Array, other: Float32Array): number {
  let shared = 0;
  let joint = 0;
  for (let cell = 0; cell < one.length; cell += 1) {
    const a = one[cell] ?? 0;
    const b = other[cell] ?? 0;
    shared += Math.min(a, b);
    joint += Math.max(a, b);
  }
  return joint === 0 ? 0 : shared / joint;
}

/**
 * Which shape a coverage map shows. The map is moved to its centroid and scaled to area 1, as the templates are, so
 * position and size do not matter and edges may be soft.
 * @param covered float32 `[64, 64]`, 0…1: how much of each pixel is object.
 */
export function matchShape(covered: Float32Array, templates: readonly Template[]): ShapeMatch | undefined {
  const side = sceneSize;
  let area = 0;
  let x = 0;
  let y = 0;
  for (let pixel = 0; pixel < covered.length; pixel += 1) {
    const share = covered[pixel] ?? 0;
    const column = pixel % side;
    area += share;
    x += share * (column + 0.5);
    y += share * ((pixel - column) / side + 0.5);
  }
  if (area === 0) return undefined;
  x /= area;
  y /= area;
  const root = Math.sqrt(area);
  const cell = (root * templateReach) / templateSide;
  const middle = (templateSide - 1) / 2;
  const cells = Float32Array.from({ length: templateSide * templateSide }, (_, index) => {
    const column = index % templateSide;
    const row = (index - column) / templateSide;
    return bilinear(covered, side, x + (column - middle) * cell, y + (row - middle) * cell);
  });
  const leastBlur = Math.min(...templates.map(({ blur }) => blur));
  const best = new Map<Shape, { readonly template: Template; readonly score: number }>();
  for (const template of templates) {
    if (template.blur * root > mostBlur && template.blur > leastBlur) continue;
    const score = similarity(cells, template.cells);
    if (score > (best.get(template.shape)?.score ?? -1)) best.set(template.shape, { template, score });
  }
  const winner = [...best.values()].reduce((one, other) => (other.score > one.score ? other : one));
  const { template } = winner;
  const extent = root / template.rootArea;
  const scores = Object.fromEntries(shapes.map((shape) => [shape, best.get(shape)?.score ?? 0])) as Record<Shape, number>;
  return { template, scores, x: x + template.toCentre[0] * extent, y: y + template.toCentre[1] * extent, extent };
}
