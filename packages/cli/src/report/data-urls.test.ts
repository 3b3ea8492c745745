import { keyFromSeed, type Picture, uniformArray } from '@tesserae/core';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { dataUrls } from './data-urls.js';

function noise(size: number, seed: number): Picture {
  return { width: size, height: size, data: Uint8Array.from(uniformArray(keyFromSeed(seed), size * size * 3), (value) => Math.floor(value * 256)) };
}

describe('dataUrls', () => {
  it('are exact where there is room', async () => {
    const picture = noise(16, 1);
    const [url = ''] = await dataUrls([picture]);
    expect(url.startsWith('data:image/png;base64,')).toBe(true);
    const decoded = await sharp(Buffer.from(url.split(',')[1] ?? '', 'base64'))
      .raw()
      .toBuffer();
    expect(new Uint8Array(decoded)).toEqual(picture.data);
  });

  it('stay below 3 MB together, even of noise', async () => {
    const urls = await dataUrls(Array.from({ length: 14 }, (_, index) => noise(256, index)));
    expect(urls.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(2_500_000);
    const { width } = await sharp(Buffer.from(urls[13]?.split(',')[1] ?? '', 'base64')).metadata();
    expect(width).toBeGreaterThanOrEqual(64);
  });
});
