import type { ImagePrior, TextTokenizer } from '@tesserae/core';
import type { CodedPicture } from '../training/train-prior.js';

/** Pairs scored between two reports of progress. */
const scoredTogether = 64;

export interface BitsPerTokenOptions {
  readonly prior: ImagePrior;
  readonly textTokenizer: TextTokenizer;
  readonly signal: AbortSignal;
  /** Called with the pictures that are done. */
  readonly onProgress?: (done: number) => void;
}

/**
 * −log₂ p(codes | caption) a token, over all tokens of all pictures: what an ideal coder that knows the captions needs for one. Each picture goes by
 * its first caption, which loses its end where it is too long, as in training.
 */
export async function bitsPerImageToken(pictures: readonly CodedPicture[], options: BitsPerTokenOptions): Promise<number> {
  const { prior, textTokenizer, signal, onProgress } = options;
  let [nats, tokens] = [0, 0];
  for (let start = 0; start < pictures.length; start += scoredTogether) {
    const some = pictures.slice(start, start + scoredTogether);
    const scores = await prior.logProbability(
      some.map(({ captions: [caption = ''] }) => textTokenizer.encode(caption).slice(0, prior.textLength)),
      some.map(({ codes }) => codes),
      { signal },
    );
    nats -= scores.reduce((sum, score) => sum + score, 0);
    tokens += some.reduce((sum, { codes }) => sum + codes.length, 0);
    onProgress?.(start + some.length);
  }
  return nats / tokens / Math.LN2;
}
