import type { Picture } from '@tesserae/core';
import { encodePng, encodeWebp } from '../pictures.js';

/** Bytes of text that all pictures of a page may take together: under 3 MB with everything else. */
const pageBudget = 2_400_000;

/** From exact to small. Only what is too much for the page is made coarser. */
const encodings: readonly ((picture: Picture) => Promise<string>)[] = [
  async (picture) => `data:image/png;base64,${Buffer.from(await encodePng(picture)).toString('base64')}`,
  ...(
    [
      [90, 1],
      [60, 1],
      [60, 0.5],
      [40, 0.25],
    ] as const
  ).map(
    ([quality, scale]) =>
      async (picture: Picture) =>
        `data:image/webp;base64,${Buffer.from(await encodeWebp(picture, quality, scale)).toString('base64')}`,
  ),
];

/** Pictures as `data:` URLs of at most `budget` bytes together. */
export async function dataUrls(pictures: readonly Picture[], budget = pageBudget): Promise<string[]> {
  let urls: string[] = [];
  for (const encode of encodings) {
    urls = await Promise.all(pictures.map(encode));
    if (urls.reduce((sum, { length }) => sum + length, 0) <= budget) return urls;
  }
  return urls;
}
