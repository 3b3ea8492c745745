import type { ImagePrior, ImageTextScorer, TextTokenizer } from '@tesserae/core';

/**
 * The scorer that needs no second model: how much likelier the prior finds the picture's codes with the text than without,
 * log p(codes | text) − log p(codes | empty text), in nats. Pictures that are likely under any text gain nothing.
 */
export function priorEvidence(prior: ImagePrior, textTokenizer: TextTokenizer): ImageTextScorer {
  return {
    specificationVersion: 'v1',
    name: 'prior-evidence',
    async score(text, images, options = {}) {
      const ids = textTokenizer.encode(text).slice(0, prior.textLength);
      const codes = images.map((image) => image.codes);
      const withText = await prior.logProbability(
        codes.map(() => ids),
        codes,
        options,
      );
      const without = await prior.logProbability(
        codes.map(() => new Int32Array(0)),
        codes,
        options,
      );
      return withText.map((value, index) => value - (without[index] ?? 0));
    },
  };
}
