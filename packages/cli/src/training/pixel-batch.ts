import { deriveKey, float32Array, type HostArray, type Key, type Picture, uniformInteger } from '@tesserae/core';
import { augmentPicture } from '@tesserae/datasets';
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

/** Pictures to train on: all at the training's size, or whole ones that each update augments anew. */
export interface TrainingPictures {
  readonly pixels: readonly Uint8Array[];
  /** As many whole pictures, in the same order, where the recipe augments. */
  readonly originals?: readonly Picture[];
}

/** The batch of an update, drawn by the key alone: pictures with replacement, each augmented where there are originals. */
export function drawnBatch({ pixels, originals }: TrainingPictures, size: number, key: Key, batch: number): HostArray {
  const drawn = Array.from({ length: batch }, (_, row) => {
    const picture = uniformInteger(key, pixels.length, row);
    const original = originals?.[picture];
    return original === undefined ? (pixels[picture] ?? new Uint8Array()) : augmentPicture(original, size, deriveKey(key, 'augment', row));
  });
  return pixelBatch(drawn, size, (row) => row, batch);
}
