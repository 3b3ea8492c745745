import { TesseraeError } from '@tesserae/core';

/** Loads the optional peer that reads and writes picture files. @throws TesseraeError `missing-dependency`. */
export async function loadSharp() {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    throw new TesseraeError('missing-dependency', 'Reading and writing picture files needs the package sharp.', { remedy: 'Install it: npm install sharp.', cause });
  }
}
