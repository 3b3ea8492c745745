import { type ImagePrior, type ImageTextScorer, type ScorableImage, TesseraeError, type TextTokenizer } from '@tesserae/core';
import { cutWindow, windowPlaces } from '../tiling/windows.js';

/** A picture's codes in pieces of the prior's own size: one for most pictures, windows side by side for larger canvases. */
function windowsOf({ codes, grid }: ScorableImage, size: ImagePrior['grid']): Int32Array[] {
  return windowPlaces(grid, size, 0).map((place) => cutWindow(codes, grid, place, size));
}

export interface PriorEvidenceOptions {
  /**
   * How much of log p(codes | empty text) is taken off. Default 1: pictures that are likely under any text gain nothing. With a
   * young prior the difference of two rough numbers can be worse than the first alone: 0 then asks only how likely the codes
   * are with the text, and is half the work.
   */
  readonly emptyTextWeight?: number;
}

/**
 * The scorer that needs no second model: how much likelier the prior finds the picture's codes with the text than without,
 * log p(codes | text) − w·log p(codes | empty text), in nats, w = `emptyTextWeight`. Of a canvas larger than the prior's grid it
 * is the mean over windows.
 * @throws TesseraeError `invalid-argument` for a weight that is no number.
 */
export function priorEvidence(prior: ImagePrior, textTokenizer: TextTokenizer, { emptyTextWeight = 1 }: PriorEvidenceOptions = {}): ImageTextScorer {
  if (!Number.isFinite(emptyTextWeight)) {
    throw new TesseraeError('invalid-argument', `priorEvidence: emptyTextWeight ${emptyTextWeight} is not possible.`, {
      remedy: 'Use a number, 1 for the evidence, 0 for the likelihood alone.',
    });
  }
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
      const without = emptyTextWeight === 0 ? new Float64Array(codes.length) : await evidence(new Int32Array(0));
      let start = 0;
      return Float64Array.from(windows, ({ length }) => {
        let sum = 0;
        for (let index = start; index < start + length; index += 1) sum += (withText[index] ?? 0) - emptyTextWeight * (without[index] ?? 0);
        start += length;
        return sum / length;
      });
    },
  };
}
