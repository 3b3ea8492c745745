/**
 * The words of the scenes and what they look like. The orders matter: the held-out rule counts by position.
 */
export type Rgb = readonly [red: number, green: number, blue: number];

export const colours = ['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'brown'] as const;
export type Colour = (typeof colours)[number];

export const colourValues: { readonly [Name in Colour]: Rgb } = {
  red: [220, 40, 40],
  orange: [245, 140, 30],
  yellow: [250, 220, 50],
  green: [40, 160, 70],
  blue: [40, 90, 220],
  purple: [140, 60, 180],
  pink: [245, 130, 180],
  brown: [130, 80, 40],
};

export const backgrounds = ['white', 'black', 'gray', 'beige'] as const;
export type Background = (typeof backgrounds)[number];

export const backgroundValues: { readonly [Name in Background]: Rgb } = {
  white: [245, 245, 245],
  black: [20, 20, 20],
  gray: [130, 130, 130],
  beige: [235, 220, 190],
};

export const shapes = ['circle', 'square', 'triangle', 'star', 'cross', 'diamond', 'ring', 'heart'] as const;
export type Shape = (typeof shapes)[number];

export const sizes = ['small', 'large'] as const;
export type Size = (typeof sizes)[number];

export const places = ['centre', 'top left', 'top right', 'bottom left', 'bottom right'] as const;
export type Place = (typeof places)[number];

/** Said of the first object: "first above second". */
export const relations = ['above', 'below', 'left', 'right'] as const;
export type Relation = (typeof relations)[number];

export const relationPhrases: { readonly [Name in Relation]: string } = {
  above: 'above',
  below: 'below',
  left: 'to the left of',
  right: 'to the right of',
};

/** Eight of the 64 (colour, shape) pairs never occur in `train` or `validation`; every `zeroshot` scene holds one. */
export function isHeldOut(colour: Colour, shape: Shape): boolean {
  return (colours.indexOf(colour) + 3 * shapes.indexOf(shape)) % 8 === 0;
}
