import { type Picture, type SamplingPlugin, TesseraeError } from '@tesserae/core';

export interface ImagePrefixOptions {
  /** The picture whose top is kept; of the size the model makes. */
  readonly picture: Picture;
  /** Rows of tokens to keep from the top. Default: half of them (the paper's figures keep 15 of 32, §3.3). */
  readonly rows?: number;
}

/**
 * Keeps the top rows of a given picture and lets the model make the rest. The kept tokens are known before decoding
 * begins: they are prefilled in one pass and never sampled. What is kept is the tokenizer's version of the picture.
 */
export function imagePrefix(options: ImagePrefixOptions): SamplingPlugin {
  return {
    name: 'image-prefix',
    specificationVersion: 'v1',
    async plan(plan, _request, { host, signal }) {
      const { picture } = options;
      const { imageTokenizer } = host;
      const { grid } = plan;
      const rows = options.rows ?? Math.floor(grid.rows / 2);
      if (!Number.isInteger(rows) || rows < 1 || rows >= grid.rows) {
        throw new TesseraeError('invalid-argument', `image-prefix: ${rows} rows cannot be kept of ${grid.rows}.`, { remedy: `Keep 1 to ${grid.rows - 1}.` });
      }
      const [width, height] = [grid.columns * imageTokenizer.downsampling, grid.rows * imageTokenizer.downsampling];
      if (picture.width !== width || picture.height !== height) {
        throw new TesseraeError('image-invalid', `image-prefix: the picture is ${picture.width}×${picture.height} pixels, the model makes ${width}×${height}.`, {
          remedy: 'Resize or crop it first.',
        });
      }
      const [codes] = await imageTokenizer.encode([picture], signal === undefined ? {} : { signal });
      const kept = codes?.subarray(0, rows * grid.columns) ?? new Int32Array(0);
      return {
        ...plan,
        known: plan.known.map((known) => {
          const merged = Int32Array.from(known);
          merged.set(kept);
          return merged;
        }),
      };
    },
  };
}
