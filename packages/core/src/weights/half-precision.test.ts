import { describe, expect, it } from 'vitest';
import { halfToNumber, halvesToFloats, numberToHalf } from './half-precision.js';

describe('half precision', () => {
  it('reads the values of the standard', () => {
    expect(halfToNumber(0x3c00)).toBe(1);
    expect(halfToNumber(0xc000)).toBe(-2);
    expect(halfToNumber(0x7bff)).toBe(65504);
    expect(halfToNumber(0x0001)).toBe(2 ** -24);
    expect(halfToNumber(0x3555)).toBeCloseTo(1 / 3, 3);
    expect(halfToNumber(0x7c00)).toBe(Number.POSITIVE_INFINITY);
    expect(halfToNumber(0x7e00)).toBeNaN();
  });

  it('gives every one of the 65,536 patterns back', () => {
    for (let bits = 0; bits < 65536; bits += 1) {
      const value = halfToNumber(bits);
      if (!Number.isNaN(value)) expect(numberToHalf(value)).toBe(bits);
    }
  });

  it('reads all patterns at once as it reads them one by one', () => {
    const floats = halvesToFloats(new DataView(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer));
    const wrong = Array.from(floats.keys()).filter((bits) => !Object.is(floats[bits], halfToNumber(bits)));
    expect(wrong).toEqual([]);
  });

  it('rounds to the nearest, ties to even', () => {
    const [below, above] = [halfToNumber(0x3c00), halfToNumber(0x3c01)];
    const middle = (below + above) / 2;
    expect(numberToHalf(middle)).toBe(0x3c00);
    expect(numberToHalf(middle + 1e-9)).toBe(0x3c01);
    expect(numberToHalf((above + halfToNumber(0x3c02)) / 2)).toBe(0x3c02);
    // The tie above the largest finite value goes to infinity.
    expect(numberToHalf(65519.9)).toBe(0x7bff);
    expect(numberToHalf(65520)).toBe(0x7c00);
    expect(numberToHalf(2 ** -25)).toBe(0);
    expect(numberToHalf(2 ** -25 * 1.01)).toBe(1);
    // Rounding up into the next power of two.
    expect(numberToHalf(1.99999)).toBe(0x4000);
  });
});
