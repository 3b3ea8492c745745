import {
  type Backend,
  checkModelWeights,
  createParameterTree,
  float32Array,
  int32Array,
  reshape,
  TesseraeError,
  type TextTokenizer,
  trace,
  type WeightSource,
} from '@tesserae/core';
import { squarePlanes } from '../centred-square.js';
import { type DisposableScorer, inBatches } from '../scoring.js';
import { clipLogits, clipParameters, encodePictures, encodeTexts } from './clip.js';
import { type ClipConfiguration, parseClipConfiguration } from './configuration.js';

export interface ClipScorerOptions {
  readonly config: ClipConfiguration;
  /** Parameters by path (`clipParameters`). */
  readonly weights: WeightSource;
  /** Gives ids without start and end of text. */
  readonly textTokenizer: TextTokenizer;
  readonly backend: Backend;
  /** Pictures judged together at most. Default 16. */
  readonly maximumBatch?: number;
}

/**
 * A text's ids as CLIP reads them: start, ids cut to the length, end, zeros. Start and end are the last two rows of the table. A tower that is
 * read as a mean knows no start and no end.
 */
export function clipTextIds({ text, readout }: Pick<ClipConfiguration, 'text' | 'readout'>, ids: ArrayLike<number>): Int32Array {
  const { length, vocabularySize } = text;
  if (readout === 'mean') return Int32Array.from({ length }, (_, index) => ids[index] ?? 0);
  const known = Array.from({ length: Math.min(ids.length, length - 2) }, (_, index) => ids[index] ?? 0);
  const whole = [vocabularySize - 2, ...known, vocabularySize - 1];
  return Int32Array.from({ length }, (_, index) => whole[index] ?? 0);
}

/**
 * Scores pictures by CLIP: the cosine of picture and text times exp(logit scale), the paper's way of choosing among candidates (DALL-E
 * §2.6). Pictures of any size are resized and cut as the peer does.
 * @throws TesseraeError `model-incompatible` when configuration, weights and text tokenizer do not fit each other.
 */
export function createClipScorer(options: ClipScorerOptions): DisposableScorer {
  const { weights, textTokenizer, backend, maximumBatch = 16 } = options;
  const configuration = parseClipConfiguration(options.config);
  const { imageSize, text } = configuration;
  if (textTokenizer.vocabularySize > text.vocabularySize) {
    throw new TesseraeError('model-incompatible', `This CLIP knows ${text.vocabularySize} text ids, the text tokenizer has ${textTokenizer.vocabularySize}.`, {
      remedy: 'Use the text tokenizer it was trained with.',
    });
  }
  checkModelWeights('CLIP', clipParameters(configuration), weights);
  const batches = inBatches(maximumBatch, (batch) =>
    backend.compile(
      trace(`clip ${batch}`, (scope) => {
        const { root } = createParameterTree(scope, 'constant');
        const pictures = encodePictures(root, configuration, scope.input('pixels', [batch, 3, imageSize, imageSize]));
        const texts = encodeTexts(root, configuration, scope.input('ids', [1, text.length], 'int32'));
        scope.output('logits', reshape(clipLogits(root, pictures, texts), [batch]));
      }),
      { weights },
    ),
  );
  return {
    specificationVersion: 'v1',
    name: 'clip',
    async score(prompt, images, { signal } = {}) {
      const ids = int32Array([1, text.length], clipTextIds(configuration, textTokenizer.encode(prompt)));
      return batches.run(images, signal, async (program, part, batch, runOptions) => {
        const pictures = part.map(({ picture }) => picture);
        const { logits } = await program.run({ pixels: float32Array([batch, 3, imageSize, imageSize], squarePlanes(pictures, imageSize, batch)), ids }, runOptions);
        return Array.from(logits?.data ?? []);
      });
    },
    dispose: batches.dispose,
  };
}
