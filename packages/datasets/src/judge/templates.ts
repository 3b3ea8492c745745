import { coverage } from '../scenes/draw.js';
import { placedOutlines } from '../scenes/outlines.js';
import { type Shape, shapes } from '../scenes/vocabulary.js';

/** Cells along a side of a template. */
export const templateSide = 32;
/** Side of a template, in units of √area of the shape in it: the farthest corner (a star's) lies at 0.97 from the centroid. */
export const templateReach = 2.3;

/** Scenes turn objects by up to 8°; a decoder's ragged edges may look like a little more. */
const turns = [-9, -4.5, 0, 4.5, 9];
/** Standard deviations in units of √area, from a sharp large square to a blurred small star. */
const blurs = [0.03, 0.075, 0.125];

/** One shape at one angle and one blur, with its centroid in the middle and scaled to area 1. */
export interface Template {
  readonly shape: Shape;
  readonly angle: number;
  /** Standard deviation, in units of √area. */
  readonly blur: number;
  /** Coverage of the cells, float32 `[32, 32]`, 0…1. */
  readonly cells: Float32Array;
  /** √area of the shape when it is 1 across. */
  readonly rootArea: number;
  /** From the centroid to the centre of the bounding box before turning, when the shape is 1 across. */
  readonly toCentre: readonly [x: number, y: number];
}

interface Moments {
  readonly area: number;
  readonly x: number;
  readonly y: number;
}

/** Area and centroid of what a coverage map covers, in cells. */
function momentsOf(covered: Float32Array, side: number): Moments {
  let area = 0;
  let x = 0;
  let y = 0;
  covered.forEach((share, cell) => {
    const column = cell % side;
    area += share;
    x += share * (column + 0.5);
    y += share * ((cell - column) / side + 0.5);
  });
  return { area, x: x / area, y: y / area };
}

/** Gaussian blur of a square map, zero outside. @param deviation in cells. */
function blurred(map: Float32Array, side: number, deviation: number): Float32Array {
  const reach = Math.ceil(3 * deviation);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, index) => Math.exp(-((index - reach) ** 2) / (2 * deviation ** 2)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let from = map;
  for (const step of [1, side]) {
    const to = new Float32Array(map.length);
    for (let cell = 0; cell < map.length; cell += 1) {
      const position = step === 1 ? cell % side : Math.floor(cell / side);
      let value = 0;
      for (let offset = -Math.min(reach, position); offset <= Math.min(reach, side - 1 - position); offset += 1) {
        value += (weights[offset + reach] ?? 0) * (from[cell + offset * step] ?? 0);
      }
      to[cell] = value / sum;
    }
    from = to;
  }
  return from;
}

/** Every shape at every small angle and blur that the judge compares with. */
export function shapeTemplates(): readonly Template[] {
  const measuringSide = 64;
  const measuringExtent = 48;
  return shapes.flatMap((shape) => {
    const isRound = shape === 'circle' || shape === 'ring';
    return (isRound ? [0] : turns).flatMap((angle) => {
      const measured = momentsOf(coverage(placedOutlines(shape, measuringSide / 2, measuringSide / 2, measuringExtent, angle), measuringSide, measuringSide), measuringSide);
      const rootArea = Math.sqrt(measured.area) / measuringExtent;
      const toCentre = [(measuringSide / 2 - measured.x) / measuringExtent, (measuringSide / 2 - measured.y) / measuringExtent] as const;
      const extent = templateSide / templateReach / rootArea;
      const outline = placedOutlines(shape, templateSide / 2 + toCentre[0] * extent, templateSide / 2 + toCentre[1] * extent, extent, angle);
      const sharp = coverage(outline, templateSide, templateSide);
      return blurs.map((blur) => ({ shape, angle, blur, cells: blurred(sharp, templateSide, (blur * templateSide) / templateReach), rootArea, toCentre }));
    });
  });
}
