import { TesseraeError } from '@tesserae/core';
import type Sharp from 'sharp';

/** Loads the optional peer `sharp`, which reads and writes PNG, JPEG and WebP. @throws TesseraeError `missing-dependency`. */
export async function loadSharp(): Promise<typeof Sharp> {
  try {
    const module = await import('sharp');
    return module.default;
  } catch (cause) {
    throw new TesseraeError('missing-dependency', 'Reading and writing image files needs the package "sharp", which is not installed.', {
      remedy: 'Install it with "npm install sharp".',
      cause,
    });
  }
}
