import { describe, expect, it } from 'vitest';
import { checkLayout, readStrided, type StridedLayout } from './strided.js';

const file = { name: 'file.pt', size: 1000 };

/** Element by element, as the definition says. */
function slowly({ shape, strides, offset }: StridedLayout, at: (index: number) => number): number[] {
  const [extent, ...inner] = shape;
  const [stride = 0, ...innerStrides] = strides;
  if (extent === undefined) return [at(offset)];
  return Array.from({ length: extent }, (_, index) => slowly({ shape: inner, strides: innerStrides, offset: offset + index * stride }, at)).flat();
}

describe('a strided view', () => {
  const layouts: StridedLayout[] = [
    { shape: [2, 3], strides: [3, 1], offset: 4 },
    { shape: [3, 2], strides: [1, 3], offset: 0 },
    { shape: [2, 2, 3], strides: [1, 30, 5], offset: 2 },
    { shape: [2, 1, 2], strides: [7, 999, 2], offset: 1 },
    { shape: [4, 3], strides: [0, 1], offset: 5 },
    { shape: [3, 3], strides: [1, 1], offset: 0 },
    { shape: [], strides: [], offset: 9 },
    { shape: [0, 5], strides: [5, 1], offset: 0 },
    { shape: [5], strides: [0], offset: 3 },
  ];

  it.each([1, 2, 4, 8])('of elements of %i bytes is written out row-major', async (width) => {
    // One byte off, so that wider elements are not aligned.
    const storage = new Uint8Array(100 * width + 1).subarray(1);
    for (let index = 0; index < storage.length; index += 1) storage[index] = (index * 31 + (index >> 3)) & 0xff;
    for (const layout of layouts) {
      const read = async (offset: number, length: number) => storage.subarray(offset, offset + length);
      const expected = layout.shape.includes(0) ? [] : slowly(layout, (index) => index).flatMap((index) => [...storage.subarray(index * width, (index + 1) * width)]);
      expect([...(await readStrided(layout, width, read))]).toEqual(expected);
    }
  });

  it('spread over a large storage is read in pieces of at most 16 MiB', async () => {
    const rows = 50;
    const columns = 200_000;
    const layout: StridedLayout = { shape: [2, rows], strides: [1, columns], offset: 17 };
    let largest = 0;
    const read = async (offset: number, length: number) => {
      largest = Math.max(largest, length);
      // Every element is its own index.
      const elements = new Uint32Array(length / 4);
      for (let index = 0; index < elements.length; index += 1) elements[index] = offset / 4 + index;
      return new Uint8Array(elements.buffer);
    };
    const bytes = await readStrided(layout, 4, read);
    expect(largest).toBeLessThanOrEqual(16 << 20);
    expect([...new Uint32Array(bytes.buffer)]).toEqual(slowly(layout, (index) => index));
  });

  it('must stay inside its storage', () => {
    const check = (shape: number[], strides: number[], offset: number) => () => checkLayout({ shape, strides, offset }, { elements: 6, width: 4 }, 'w', file);
    expect(check([2, 3], [3, 1], 0)).not.toThrow();
    expect(check([0, 7], [7, 1], 0)).not.toThrow();
    expect(check([2, 3], [3, 1], 1)).toThrow("tensor 'w' of shape [2, 3] needs 7 elements of a storage that has 6");
    expect(check([1], [1], 6)).toThrow('storage offset 6');
    expect(check([2], [-1], 3)).toThrow('stride');
    expect(check([2], [0.5], 0)).toThrow('stride');
    expect(check([-2], [1], 0)).toThrow('shape');
    expect(check([2, 3], [1], 0)).toThrow('a shape of 2 and a stride of 1');
    expect(check([2 ** 40, 2 ** 40], [0, 0], 0)).toThrow('which no memory holds');
    expect(check([2 ** 30], [0], 0)).toThrow('unfolds 6 stored elements');
    expect(
      check(
        [...Array.from({ length: 15 }, () => 2 ** 52), 0],
        Array.from({ length: 16 }, () => 2 ** 52),
        0,
      ),
    ).not.toThrow();
  });
});
