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

  it('become coarser only as far as the page needs, even of noise', async () => {
    const pictures = [noise(64, 1), noise(64, 2)];
    const kinds: string[] = [];
    // PNG takes 33 kB of such noise.
    for (const budget of [50_000, 20_000, 5_000, 1_000]) {
      const urls = await dataUrls(pictures, budget);
      expect(urls.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(budget);
      const [url = ''] = urls;
      const { format, width } = await sharp(Buffer.from(url.split(',')[1] ?? '', 'base64')).metadata();
      kinds.push(`${format} ${width}`);
    }
    expect(kinds).toEqual(['png 64', 'webp 64', 'webp 32', 'webp 16']);
  });
});
