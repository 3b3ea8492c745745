import {
  type Backend,
  checkModelWeights,
  createParameterTree,
  float32Array,
  int32Array,
  reduceSum,
  TesseraeError,
  type TextTokenizer,
  trace,
  type WeightSource,
} from '@tesserae/core';
import { squarePlanes } from '../centred-square.js';
import { type DisposableScorer, inBatches } from '../scoring.js';
import { captionerParameters, sentenceEnd } from './captioner.js';
import { type CaptionerConfiguration, parseCaptionerConfiguration } from './configuration.js';
import { captionLogProbabilities } from './likelihood.js';

export interface CaptionScorerOptions {
  readonly config: CaptionerConfiguration;
  /** Parameters by path (`captionerParameters`). */
  readonly weights: WeightSource;
  readonly textTokenizer: TextTokenizer;
  readonly backend: Backend;
  /** Pictures judged together at most. Default 16. */
  readonly maximumBatch?: number;
}

/** A sentence's ids as the captioner reads them: cut to its length, an end after them, filled with ends. */
export function captionIds(configuration: CaptionerConfiguration, ids: ArrayLike<number>): Int32Array {
  const end = sentenceEnd(configuration);
  return Int32Array.from({ length: configuration.textLength }, (_, index) => (index < configuration.textLength - 1 ? (ids[index] ?? end) : end));
}

/**
 * Scores pictures by how likely a captioner finds the sentence: log p(text | picture) in nats. It looks at pixels, so that it sees
 * what codes look like decoded; and it reads word by word, so that it sees which colour belongs to which shape.
 * @throws TesseraeError `model-incompatible` when configuration, weights and text tokenizer do not fit each other.
 */
export function createCaptionScorer(options: CaptionScorerOptions): DisposableScorer {
  const { weights, textTokenizer, backend, maximumBatch = 16 } = options;
  const configuration = parseCaptionerConfiguration(options.config);
  const { imageSize, textLength, textVocabularySize } = configuration;
  if (textTokenizer.vocabularySize !== textVocabularySize) {
    throw new TesseraeError('model-incompatible', `The captioner knows ${textVocabularySize} text ids, the text tokenizer has ${textTokenizer.vocabularySize}.`, {
      remedy: 'Use the text tokenizer it was trained with.',
    });
  }
  checkModelWeights('captioner', captionerParameters(configuration), weights);
  const batches = inBatches(maximumBatch, (batch) =>
    backend.compile(
      trace(`caption likelihood ${batch}`, (scope) => {
        const { root } = createParameterTree(scope, 'constant');
        const pixels = scope.input('pixels', [batch, 3, imageSize, imageSize]);
        const text = scope.input('text', [batch, textLength], 'int32');
        scope.output('logProbability', reduceSum(captionLogProbabilities(root, configuration, pixels, text), { axes: [1] }));
      }),
      { weights },
    ),
  );
  return {
    specificationVersion: 'v1',
    name: 'caption-likelihood',
    async score(text, images, { signal } = {}) {
      const ids = captionIds(configuration, textTokenizer.encode(text));
      return batches.run(images, signal, async (program, part, batch, options) => {
        const pictures = part.map(({ picture }) => picture);
        const flat = Int32Array.from({ length: batch * textLength }, (_, index) => ids[index % textLength] ?? 0);
        const inputs = {
          pixels: float32Array([batch, 3, imageSize, imageSize], squarePlanes(pictures, imageSize, batch)),
          text: int32Array([batch, textLength], flat),
        };
        const { logProbability } = await program.run(inputs, options);
        return Array.from(logProbability?.data ?? []);
      });
    },
    dispose: batches.dispose,
  };
}
