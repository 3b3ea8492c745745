import { deriveKey, type HostArray, type ImageTokenizer, int32Array, type Key, type Picture } from '@tesserae/core';
import { augmentCaptionedPicture } from '@tesserae/datasets';

export interface AugmentedCodesOptions {
  readonly tokenizer: ImageTokenizer;
  /** Decides the augmentations of the batch. */
  readonly key: Key;
  readonly signal: AbortSignal;
}

/** Codes of a batch's pictures, each scaled and cropped anew as the paper's stage two has them: int32 [batch, positions]. */
export async function augmentedCodes(pictures: readonly Picture[], { tokenizer, key, signal }: AugmentedCodesOptions): Promise<HostArray> {
  const { grid, downsampling } = tokenizer;
  const size = grid.columns * downsampling;
  const codes = await tokenizer.encode(
    pictures.map((picture, row): Picture => ({ width: size, height: size, data: augmentCaptionedPicture(picture, size, deriveKey(key, row)) })),
    { signal },
  );
  return int32Array(
    [pictures.length, grid.rows * grid.columns],
    codes.flatMap((list) => [...list]),
  );
}
