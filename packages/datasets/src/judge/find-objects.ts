import type { Picture } from '@tesserae/core';
import { sceneSize } from '../scenes/scene.js';
import { backgrounds, backgroundValues, colours, colourValues, type Rgb, type Shape, type Size } from '../scenes/vocabulary.js';
import type { FoundObject, FoundScene } from './found.js';
import { matchShape, type ShapeMatch } from './match-shape.js';
import { distance, medianColour, nearest } from './nearest.js';
import { scenePixels } from './scene-pixels.js';
import { around, pixelColour, type Segment, segment } from './segment.js';
import type { Template } from './templates.js';

/** Half the way from white to beige is 30 and from red to brown 49; a decoder's shift is about 20. */
const farthestBackground = 40;
const farthestColour = 60;
/** Fewer pixels of one colour than this: the object is of several. */
const leastColourShare = 0.7;
const leastBackgroundShare = 0.9;
/** A drawn shape matches itself with 0.87 and more, blurred and noisy with 0.82, and 0.07 better than the next shape; ragged edges take more. */
const leastShapeScore = 0.78;
const leastShapeLead = 0.015;
/** A thin ring loses much to a ragged edge, but nothing else comes near it: so a worse match will do with a wide lead. */
const roughShapeScore = 0.7;
const roughShapeLead = 0.1;
/** A decoder's blur and the measuring widen and narrow the drawn sizes (14…18 and 24…34) a little. */
const sizeRanges: { readonly [Name in Size]: { readonly from: number; readonly to: number } } = {
  small: { from: 12, to: 20.5 },
  large: { from: 22, to: 36.5 },
};
/** Coverage that noise alone could make, and what is missing of full coverage for the same reason. */
const noise = 0.1;
/** From this coverage on, a pixel's colour says what the object's is. */
const solid = 0.6;

/** How far a pixel lies on the way from the background to the object's colour. */
function share(pixel: Rgb, background: Rgb, colour: Rgb): number {
  let along = 0;
  let whole = 0;
  for (let channel = 0; channel < 3; channel += 1) {
    const way = (colour[channel] ?? 0) - (background[channel] ?? 0);
    along += way * ((pixel[channel] ?? 0) - (background[channel] ?? 0));
    whole += way * way;
  }
  return whole === 0 ? 0 : along / whole;
}

/** The colour of the pixels that are farthest from the edge: all of whose neighbours are core too, where there are enough. */
function innerColour(pixels: Float32Array, { core }: Segment, background: Rgb): Rgb {
  const members = new Set(core);
  const inner = core.filter((pixel) => around(pixel, 1).every((neighbour) => members.has(neighbour)));
  const sample = (inner.length > core.length / 5 ? inner : core).map((pixel) => pixelColour(pixels, pixel));
  const contrasts = sample.map((colour) => distance(colour, background)).sort((a, b) => a - b);
  const upper = contrasts[Math.floor(contrasts.length / 2)] ?? 0;
  return medianColour(sample.filter((colour) => distance(colour, background) >= upper * 0.9));
}

function coverageOf(pixels: Float32Array, { region }: Segment, background: Rgb, colour: Rgb): Float32Array {
  const covered = new Float32Array(sceneSize * sceneSize);
  for (const pixel of region) {
    const part = (share(pixelColour(pixels, pixel), background, colour) - noise) / (1 - 2 * noise);
    covered[pixel] = Math.min(1, Math.max(0, part));
  }
  return covered;
}

function unmixed(pixel: Rgb, background: Rgb, part: number): Rgb {
  return [0, 1, 2].map((channel) => (background[channel] ?? 0) + ((pixel[channel] ?? 0) - (background[channel] ?? 0)) / part) as [number, number, number];
}

function shapeOf({ template, scores }: ShapeMatch): Shape | undefined {
  const best = scores[template.shape];
  const second = Math.max(...Object.entries(scores).map(([shape, score]) => (shape === template.shape ? 0 : score)));
  const isGood = best >= leastShapeScore && best - second >= leastShapeLead;
  const isRough = best >= roughShapeScore && best - second >= roughShapeLead;
  return isGood || isRough ? template.shape : undefined;
}

function findObject(pixels: Float32Array, part: Segment, background: Rgb, templates: readonly Template[]): FoundObject | undefined {
  const rgb = innerColour(pixels, part, background);
  const covered = coverageOf(pixels, part, background, rgb);
  const match = matchShape(covered, templates);
  if (match === undefined) return undefined;
  const solidPixels = part.region.filter((pixel) => (covered[pixel] ?? 0) >= solid);
  const { name, distance: far } = nearest(colourValues, colours, rgb);
  const alike = solidPixels.filter((pixel) => nearest(colourValues, colours, unmixed(pixelColour(pixels, pixel), background, covered[pixel] ?? 1)).name === name).length;
  const colourShare = solidPixels.length === 0 ? 0 : alike / solidPixels.length;
  const { template, scores, x, y, extent } = match;
  return {
    colour: far <= farthestColour && colourShare >= leastColourShare ? name : undefined,
    rgb,
    colourShare,
    shape: shapeOf(match),
    shapeScores: scores,
    size: (['small', 'large'] as const).find((size) => extent >= sizeRanges[size].from && extent <= sizeRanges[size].to),
    extent,
    angle: template.angle,
    x,
    y,
  };
}

/** What a picture shows. @throws TesseraeError `image-invalid`. */
export function findObjects(picture: Picture, templates: readonly Template[]): FoundScene {
  const pixels = scenePixels(picture);
  const { background, segments, evenness } = segment(pixels);
  const { name, distance: far } = nearest(backgroundValues, backgrounds, background);
  return {
    background: far <= farthestBackground && evenness >= leastBackgroundShare ? name : undefined,
    backgroundRgb: background,
    backgroundShare: evenness,
    objects: segments
      .map((part) => findObject(pixels, part, background, templates))
      .filter((object) => object !== undefined)
      .sort((one, other) => other.extent - one.extent),
  };
}
