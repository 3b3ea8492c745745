import type { ImagePrior, ImageTextScorer, ScorableImage, TextTokenizer } from '@tesserae/core';
import { cutWindow, windowPlaces } from '../tiling/windows.js';

/** A picture's codes in pieces of the prior's own size: one for most pictures, windows side by side for larger canvases. */
function windowsOf({ codes, grid }: ScorableImage, size: ImagePrior['grid']): Int32Array[] {
  return windowPlaces(grid, size, 0).map((place) => cutWindow(codes, grid, place, size));
}

/**
 * The scorer that needs no second model: how much likelier the prior finds the picture's codes with the text than without,
 * log p(codes | text) − log p(codes | empty text), in nats. Pictures that are likely under any text gain nothing. Of a canvas
 * larger than the prior's grid it is the mean over windows.
 */
export function priorEvidence(prior: ImagePrior, textTokenizer: TextTokenizer): ImageTextScorer {
  return {
    specificationVersion: 'v1',
    name: 'prior-evidence',
    async score(text, images, options = {}) {
      const ids = textTokenizer.encode(text).slice(0, prior.textLength);
      const windows = images.map((image) => windowsOf(image, prior.grid));
      const codes = windows.flat();
      const evidence = (question: Int32Array): Promise<Float64Array> =>
        prior.logProbability(
          codes.map(() => question),
          codes,
          options,
        );
      const withText = await evidence(ids);
      const without = await evidence(new Int32Array(0));
      let start = 0;
      return Float64Array.from(windows, ({ length }) => {
        let sum = 0;
        for (let index = start; index < start + length; index += 1) sum += (withText[index] ?? 0) - (without[index] ?? 0);
        start += length;
        return sum / length;
      });
    },
  };
}
