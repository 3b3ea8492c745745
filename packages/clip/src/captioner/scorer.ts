import {
  type Backend,
  createParameterTree,
  float32Array,
  formatShape,
  type ImageTextScorer,
  int32Array,
  type Picture,
  type Program,
  reduceSum,
  sameShape,
  TesseraeError,
  type TextTokenizer,
  trace,
  type WeightSource,
} from '@tesserae/core';
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

/** A scorer that holds programs of an engine. */
export type DisposableScorer = ImageTextScorer & { dispose(): void };

/** A sentence's ids as the captioner reads them: cut to its length, an end after them, filled with ends. */
export function captionIds(configuration: CaptionerConfiguration, ids: ArrayLike<number>): Int32Array {
  const end = sentenceEnd(configuration);
  return Int32Array.from({ length: configuration.textLength }, (_, index) => (index < configuration.textLength - 1 ? (ids[index] ?? end) : end));
}

/**
 * Bytes `[height, width, 3]` → floats `[3, size, size]` in [0, 1] at `offset`: the mean over the pixels that each new one covers, as
 * `resizeArea` of other systems; without a change of size the bytes as they are.
 */
export function resizedPlanes({ width, height, data }: Picture, size: number, target: Float32Array, offset: number): void {
  for (let y = 0; y < size; y += 1) {
    const [top, bottom] = [(y * height) / size, ((y + 1) * height) / size];
    for (let x = 0; x < size; x += 1) {
      const [left, right] = [(x * width) / size, ((x + 1) * width) / size];
      const sums: [number, number, number] = [0, 0, 0];
      for (let row = Math.floor(top); row < bottom; row += 1) {
        const share = Math.min(row + 1, bottom) - Math.max(row, top);
        for (let column = Math.floor(left); column < right; column += 1) {
          const weight = share * (Math.min(column + 1, right) - Math.max(column, left));
          for (const channel of [0, 1, 2] as const) sums[channel] += weight * (data[(row * width + column) * 3 + channel] ?? 0);
        }
      }
      const area = (bottom - top) * (right - left) * 255;
      for (const channel of [0, 1, 2] as const) target[offset + (channel * size + y) * size + x] = sums[channel] / area;
    }
  }
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
  for (const { name, shape } of captionerParameters(configuration).values()) {
    const found = weights.types.get(name);
    if (found === undefined || !sameShape(found.shape, shape)) {
      throw new TesseraeError(
        'model-incompatible',
        `The captioner's weight '${name}' should be ${formatShape(shape)} but is ${found === undefined ? 'missing' : formatShape(found.shape)}.`,
        { remedy: 'Use the weights that belong to this configuration.', details: { name } },
      );
    }
  }
  const programs = new Map<number, Promise<Program>>();
  const compiled = (batch: number): Promise<Program> => {
    const known = programs.get(batch);
    if (known !== undefined) return known;
    const graph = trace(`caption likelihood ${batch}`, (scope) => {
      const { root } = createParameterTree(scope, 'constant');
      const pixels = scope.input('pixels', [batch, 3, imageSize, imageSize]);
      const text = scope.input('text', [batch, textLength], 'int32');
      scope.output('logProbability', reduceSum(captionLogProbabilities(root, configuration, pixels, text), { axes: [1] }));
    });
    const made = backend.compile(graph, { weights });
    programs.set(batch, made);
    // A failed compilation must not be remembered.
    made.catch(() => programs.delete(batch));
    return made;
  };

  return {
    specificationVersion: 'v1',
    name: 'caption-likelihood',
    async score(text, images, { signal } = {}) {
      const ids = captionIds(configuration, textTokenizer.encode(text));
      const scores = new Float64Array(images.length);
      const plane = 3 * imageSize * imageSize;
      for (let start = 0; start < images.length; ) {
        signal?.throwIfAborted();
        const wanted = images.length - start;
        // Powers of two: few different programs, and little of the last batch is filling.
        const batch = Math.min(maximumBatch, 2 ** Math.ceil(Math.log2(wanted)));
        const pixels = new Float32Array(batch * plane);
        images.slice(start, start + batch).forEach(({ picture }, index) => {
          resizedPlanes(picture, imageSize, pixels, index * plane);
        });
        const flat = Int32Array.from({ length: batch * textLength }, (_, index) => ids[index % textLength] ?? 0);
        const program = await compiled(batch);
        const inputs = { pixels: float32Array([batch, 3, imageSize, imageSize], pixels), text: int32Array([batch, textLength], flat) };
        const { logProbability } = await program.run(inputs, signal === undefined ? {} : { signal });
        scores.set(Array.from(logProbability?.data ?? []).slice(0, wanted), start);
        start += batch;
      }
      return scores;
    },
    dispose() {
      for (const program of programs.values()) void program.then((made) => made.dispose()).catch(() => undefined);
      programs.clear();
    },
  };
}
