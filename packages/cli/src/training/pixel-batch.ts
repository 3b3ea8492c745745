import { float32Array, type HostArray } from '@tesserae/core';
import { planarPixels } from '@tesserae/dvae';

/** Chosen pictures (RGB bytes, size×size) as one batch: float32 [batch, 3, size, size] in [0, 1]. `choose` gives the picture of a row. */
export function pixelBatch(pictures: readonly Uint8Array[], size: number, choose: (row: number) => number, batch: number): HostArray {
  const pixels = new Float32Array(batch * 3 * size * size);
  for (let row = 0; row < batch; row += 1) {
    const picture = pictures[choose(row)];
    if (picture !== undefined) planarPixels(picture, pixels, row * 3 * size * size);
  }
  return float32Array([batch, 3, size, size], pixels);
}
