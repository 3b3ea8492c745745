import type { Rgb } from '../scenes/vocabulary.js';

/**
 * Distance of two colours, 0…441. Plain RGB: a decoder errs by about as much in every channel, and the scenes' colours
 * lie at least 83 apart in it.
 */
export function distance(one: Rgb, other: Rgb): number {
  return Math.sqrt((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2);
}

/** The palette's nearest colour and how far it is. */
export function nearest<Name extends string>(
  palette: { readonly [Key in Name]: Rgb },
  names: readonly Name[],
  colour: Rgb,
): { readonly name: Name | undefined; readonly distance: number } {
  let name: Name | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of names) {
    const far = distance(palette[candidate], colour);
    if (far < least) {
      least = far;
      name = candidate;
    }
  }
  return { name, distance: least };
}

/** The middle value; of an even number, the upper of the two in the middle. 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Channel by channel, so that speckle does not shift it. */
export function medianColour(sample: readonly Rgb[]): Rgb {
  return [median(sample.map(([red]) => red)), median(sample.map(([, green]) => green)), median(sample.map(([, , blue]) => blue))];
}
