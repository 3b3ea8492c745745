import type { Background, Colour, Place, Relation, Shape, Size } from './vocabulary.js';

/** Side of a scene in its own units, which are the pixels of the default drawing. */
export const sceneSize = 64;

export const splits = ['train', 'validation', 'zeroshot'] as const;
export type Split = (typeof splits)[number];

export interface SceneObject {
  readonly colour: Colour;
  readonly shape: Shape;
  readonly size: Size;
  /** Centre of the bounding box, 0…64, y down. */
  readonly x: number;
  readonly y: number;
  /** Pixels across before turning: 14…18 when small, 26…34 when large. */
  readonly extent: number;
  /** Degrees, clockwise. */
  readonly angle: number;
}

export interface OneObjectScene {
  readonly kind: 'one';
  readonly background: Background;
  readonly objects: readonly [SceneObject];
  readonly place: Place;
}

export interface TwoObjectScene {
  readonly kind: 'two';
  readonly background: Background;
  readonly objects: readonly [SceneObject, SceneObject];
  /** Of the first object to the second. */
  readonly relation: Relation;
}

/** A picture as plain data: everything needed to draw and to describe it. */
export type Scene = OneObjectScene | TwoObjectScene;
