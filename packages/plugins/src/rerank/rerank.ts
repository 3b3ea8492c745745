import { type ImageTextScorer, type SamplingPlugin, TesseraeError } from '@tesserae/core';

export interface RerankOptions {
  readonly scorer: ImageTextScorer;
  /** Candidates made for each picture asked for. Default 4. The paper's best of N: N = oversample for one picture (§2.3). */
  readonly oversample?: number;
}

/**
 * Makes more candidates than asked for, scores them and keeps the best, best first; equal scores keep the order of the
 * candidates. The score is set on each image.
 * @example createGenerator({ …, plugins: [rerank({ scorer: priorEvidence(prior, textTokenizer), oversample: 16 })] })
 */
export function rerank(options: RerankOptions): SamplingPlugin {
  const { scorer, oversample = 4 } = options;
  if (!Number.isInteger(oversample) || oversample < 1) {
    throw new TesseraeError('invalid-argument', `rerank: oversample ${oversample} is not possible.`, { remedy: 'Use a whole number of at least 1.' });
  }
  return {
    name: 'rerank',
    specificationVersion: 'v1',
    async wrapGenerate(next, request, { signal }) {
      const result = await next({ ...request, candidates: request.candidates * oversample });
      const scores = await scorer.score(request.prompt, result.images, signal === undefined ? {} : { signal });
      const scored = result.images.map((image, index) => ({ ...image, score: scores[index] ?? Number.NEGATIVE_INFINITY }));
      // A score that is no number ranks last instead of making the order undefined.
      const rank = (score: number): number => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score);
      scored.sort((a, b) => (rank(b.score) > rank(a.score) ? 1 : rank(b.score) < rank(a.score) ? -1 : a.candidate - b.candidate));
      return { ...result, images: scored.slice(0, request.candidates) };
    },
  };
}
