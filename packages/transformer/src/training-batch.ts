import { deriveKey, epochOrder, type HostArray, int32Array, type Key, type Question, TesseraeError, type TextFeatures, uniform, uniformInteger } from '@tesserae/core';
import { conditionValues } from './condition.js';
import { conditionOf } from './condition-choices.js';
import { imageLengthOf, type PriorConfiguration } from './configuration.js';

/** A caption's text ids without padding; or how to draw them anew, by a key, each time it is read (BPE dropout). */
export type CaptionIds = Int32Array | ((key: Key) => Int32Array);

/** What the prior learns from: one picture's codes and what it may go by. */
export interface PriorExample {
  /** A class is one number (`ClassCondition`). */
  readonly captions: readonly CaptionIds[];
  /** The captions as another encoder's features, for priors that read those (`FeaturesCondition`). */
  readonly features?: readonly TextFeatures[];
  /** int32, row-major over the grid. */
  readonly codes: Int32Array;
}

export interface PriorBatchOptions {
  readonly configuration: PriorConfiguration;
  readonly batch: number;
  readonly key: Key;
  /** The update this batch is for, 0 the first. */
  readonly step: number;
  /** Chance that a caption is replaced by the empty one, so that the prior learns to go without (Ho and Salimans 2022). Default 0.1. */
  readonly captionDropout?: number;
}

/** The inputs of `priorTrainingLoss`: `codes`, and `text` or what `declareCondition` has instead. */
export type PriorBatch = { readonly codes: HostArray } & Readonly<Record<string, HostArray>>;

/** Which of `count` examples the rows of a batch are: every epoch meets all of them once, in its own order. */
export function batchExamples(count: number, { key, step, batch }: Pick<PriorBatchOptions, 'key' | 'step' | 'batch'>): number[] {
  const exampleOf = epochOrder(key, count);
  return Array.from({ length: batch }, (_, row) => exampleOf(step * batch + row));
}

/**
 * The inputs of one update. Depends on key and step alone: every epoch meets all examples once, in its own order.
 * Captions that are too long lose their end.
 * @throws TesseraeError `dataset-empty` without examples, `model-incompatible` for codes of another grid.
 */
export function makePriorBatch(examples: readonly PriorExample[], options: PriorBatchOptions): PriorBatch {
  const { configuration, batch, key, step, captionDropout = 0.1 } = options;
  if (examples.length === 0) throw new TesseraeError('dataset-empty', 'There are no examples to train on.', { remedy: 'Give at least one picture.' });
  const { textLength } = configuration;
  const readsFeatures = conditionOf(configuration).kind === 'features';
  const positions = imageLengthOf(configuration);
  const codes = new Int32Array(batch * positions);
  const questions = batchExamples(examples.length, options).map((which, row): Question => {
    const turn = step * batch + row;
    const { captions, features = [], codes: own } = examples[which] ?? { captions: [], codes: new Int32Array() };
    if (own.length !== positions) {
      throw new TesseraeError('model-incompatible', `An example has ${own.length} codes; this prior's grid has ${positions}.`, {
        remedy: 'Encode pictures of the size the grid stands for.',
      });
    }
    codes.set(own, row * positions);
    const choice = uniformInteger(deriveKey(key, 'caption'), Math.max(1, readsFeatures ? features.length : captions.length), turn);
    const isDropped = uniform(deriveKey(key, 'dropout'), turn) < captionDropout;
    if (!readsFeatures) {
      const caption = isDropped ? undefined : captions[choice];
      const ids = typeof caption === 'function' ? caption(deriveKey(key, 'merges', turn)) : caption;
      return { text: ids?.subarray(0, textLength) ?? new Int32Array() };
    }
    const { values, mask } = features[choice] ?? {};
    // LlamaGen drops what a text says, not how long it is.
    return { text: new Int32Array(), features: { ...(mask === undefined ? {} : { mask }), ...(isDropped || values === undefined ? {} : { values }) } };
  });
  return { ...conditionValues(configuration, questions), codes: int32Array([batch, positions], codes) };
}
