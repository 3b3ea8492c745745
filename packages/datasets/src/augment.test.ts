import { deriveKey, keyFromSeed, type Picture } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { augmentCaptionedPicture, augmentPicture, largestUsefulSide } from './augment.js';

/** Red tells the column, green the row. */
const ramp = (width: number, height: number): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, index) => [Math.floor(index / 3) % width, Math.floor(index / 3 / width), 7][index % 3] ?? 0),
});
const key = keyFromSeed(6);
const many = <Result>(make: (index: number) => Result): Result[] => Array.from({ length: 60 }, (_, index) => make(index));

describe('augmentPicture', () => {
  it('leaves pictures of the wanted size but for mirroring, about half of them', () => {
    const picture = ramp(8, 8);
    const results = many((index) => augmentPicture(picture, 8, deriveKey(key, index)));
    const same = results.filter((result) => result.every((value, at) => value === picture.data[at]));
    const mirrored = results.filter((result) => result.every((value, at) => value === picture.data[(Math.floor(at / 24) * 8 + 7 - (Math.floor(at / 3) % 8)) * 3 + (at % 3)]));
    expect(same.length + mirrored.length).toBe(60);
    expect(same.length).toBeGreaterThan(15);
    expect(mirrored.length).toBeGreaterThan(15);
  });

  it('takes squares from everywhere in a long picture, and parts of other sizes', () => {
    const results = many((index) => augmentPicture(ramp(100, 20), 16, deriveKey(key, index)));
    const columns = results.map((result) => Math.min(...result.filter((_, at) => at % 3 === 0)));
    expect(Math.min(...columns)).toBeLessThan(15);
    expect(Math.max(...columns)).toBeGreaterThan(60);
    // 20 pixels become 18 to 20, of which 16 are kept: they span 15 to 19·(15/17) rows.
    const spans = results.map((result) => {
      const rows = result.filter((_, at) => at % 3 === 1);
      return Math.max(...rows) - Math.min(...rows);
    });
    expect(Math.min(...spans)).toBeGreaterThanOrEqual(15);
    expect(Math.max(...spans)).toBeLessThanOrEqual(17);
    expect(new Set(spans).size).toBeGreaterThan(1);
  });

  it('resizes by area: what is flat stays flat, and means are kept', () => {
    const stripes: Picture = { width: 64, height: 64, data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, index) => (Math.floor(index / 3) % 2 === 0 ? 100 : 200)) };
    for (const result of many((index) => augmentPicture(stripes, 16, deriveKey(key, index)))) {
      expect(result.reduce((sum, value) => sum + value, 0) / result.length).toBeCloseTo(150, -1);
      for (let at = 0; at < 16 * 3; at += 1) expect(result[at]).toBe(result[15 * 48 + at]);
    }
  });

  it('is decided by the key alone', () => {
    const picture = ramp(40, 30);
    expect(augmentPicture(picture, 16, deriveKey(key, 1))).toEqual(augmentPicture(picture, 16, deriveKey(key, 1)));
    expect(augmentPicture(picture, 16, deriveKey(key, 1))).not.toEqual(augmentPicture(picture, 16, deriveKey(key, 2)));
  });

  it('refuses what is too small, and says how large is enough', () => {
    expect(() => augmentPicture(ramp(7, 20), 8, key)).toThrow(expect.objectContaining({ code: 'image-invalid', message: expect.stringContaining('7×20') }));
    expect(largestUsefulSide(256)).toBe(384);
  });
});

describe('augmentCaptionedPicture', () => {
  it('never mirrors, and leaves pictures of the wanted size as they are', () => {
    const picture = ramp(8, 8);
    for (const result of many((index) => augmentCaptionedPicture(picture, 8, deriveKey(key, index)))) expect(result).toEqual(picture.data);
    for (const result of many((index) => augmentCaptionedPicture(ramp(60, 40), 16, deriveKey(key, index)))) {
      expect(result[0]).toBeLessThan(result[15 * 3] ?? 0);
      expect(result[1]).toBeLessThan(result[15 * 16 * 3 + 1] ?? 0);
    }
  });

  it('takes the square from the middle quarter of the long side', () => {
    // 80 columns are left over: squares begin at 30 to 49, and 20 pixels become 16 to 18, of which 16 are kept.
    const columns = many((index) => augmentCaptionedPicture(ramp(100, 20), 16, deriveKey(key, index))).map((result) => Math.min(...result.filter((_, at) => at % 3 === 0)));
    expect(Math.min(...columns)).toBeGreaterThanOrEqual(30);
    expect(Math.max(...columns)).toBeLessThanOrEqual(49 + 3);
    expect(new Set(columns).size).toBeGreaterThan(10);
    const rows = many((index) => augmentCaptionedPicture(ramp(20, 100), 16, deriveKey(key, index))).map((result) => Math.min(...result.filter((_, at) => at % 3 === 1)));
    expect(Math.min(...rows)).toBeGreaterThanOrEqual(30);
    expect(Math.max(...rows)).toBeLessThanOrEqual(49 + 3);
  });

  it('resizes to 1 to 9/8 of the wanted size: 16 of 16 to 18 pixels span nearly the whole square', () => {
    const spans = many((index) => augmentCaptionedPicture(ramp(200, 120), 16, deriveKey(key, index))).map((result) => {
      const rows = result.filter((_, at) => at % 3 === 1);
      return Math.max(...rows) - Math.min(...rows);
    });
    // Centres of the first and last of the kept pixels lie 15 steps of 119/17 to 119/15 rows apart, edges rounded.
    expect(Math.min(...spans)).toBeGreaterThanOrEqual(Math.floor((15 * 119) / 17) - 4);
    expect(Math.max(...spans)).toBeLessThanOrEqual(119);
    expect(new Set(spans).size).toBeGreaterThan(2);
  });

  it('is decided by the key alone, and refuses what is too small', () => {
    const picture = ramp(40, 30);
    expect(augmentCaptionedPicture(picture, 16, deriveKey(key, 1))).toEqual(augmentCaptionedPicture(picture, 16, deriveKey(key, 1)));
    expect(augmentCaptionedPicture(picture, 16, deriveKey(key, 1))).not.toEqual(augmentCaptionedPicture(picture, 16, deriveKey(key, 2)));
    expect(() => augmentCaptionedPicture(ramp(7, 20), 8, key)).toThrow(expect.objectContaining({ code: 'image-invalid' }));
  });
});
