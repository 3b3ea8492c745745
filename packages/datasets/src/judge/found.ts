import type { Background, Colour, Rgb, Shape, Size } from '../scenes/vocabulary.js';

/** An object that the judge sees. All lengths in pixels of the 64-pixel scene, whatever the picture's size. */
export interface FoundObject {
  /** Undefined when it is far from every colour of the scenes, or of several colours. */
  readonly colour: Colour | undefined;
  /** The middle colour of its pixels farthest from the edge, 0…255. */
  readonly rgb: Rgb;
  /** Share of its solid pixels whose nearest colour of the scenes is that of `rgb`. */
  readonly colourShare: number;
  /** Undefined when no shape matches well enough, or two match equally. */
  readonly shape: Shape | undefined;
  /** How well each shape matches at its best, 0…1: shared over joint coverage. */
  readonly shapeScores: { readonly [Name in Shape]: number };
  /** Undefined between the sizes and beyond them. */
  readonly size: Size | undefined;
  /** Pixels across before turning. */
  readonly extent: number;
  /** Degrees, clockwise. */
  readonly angle: number;
  /** Centre of the bounding box, 0…64, y down. */
  readonly x: number;
  readonly y: number;
}

/** What the judge sees in a picture, whatever its caption promises. */
export interface FoundScene {
  /** Undefined when it is far from every background of the scenes, or not of one colour. */
  readonly background: Background | undefined;
  readonly backgroundRgb: Rgb;
  /** Share of the pixels outside all objects that have the background's colour. */
  readonly backgroundShare: number;
  /** The largest first. Specks are left out. */
  readonly objects: readonly FoundObject[];
}
