import { deriveKey, epochOrder, type HostArray, int32Array, type Key, TesseraeError, uniform, uniformInteger } from '@tesserae/core';
import { imageLengthOf, type PriorConfiguration } from './configuration.js';
import { padText } from './pad-text.js';

/** A caption's text ids without padding; or how to draw them anew, by a key, each time it is read (BPE dropout). */
export type CaptionIds = Int32Array | ((key: Key) => Int32Array);

/** What the prior learns from: one picture's codes and the captions it may go by. */
export interface PriorExample {
  readonly captions: readonly CaptionIds[];
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

/**
 * The inputs of one update. Depends on key and step alone: every epoch meets all examples once, in its own order.
 * Captions that are too long lose their end.
 * @throws TesseraeError `dataset-empty` without examples, `model-incompatible` for codes of another grid.
 */
export function makePriorBatch(examples: readonly PriorExample[], options: PriorBatchOptions): { readonly text: HostArray; readonly codes: HostArray } {
  const { configuration, batch, key, step, captionDropout = 0.1 } = options;
  if (examples.length === 0) throw new TesseraeError('dataset-empty', 'There are no examples to train on.', { remedy: 'Give at least one picture.' });
  const { textLength } = configuration;
  const positions = imageLengthOf(configuration);
  const text = new Int32Array(batch * textLength);
  const codes = new Int32Array(batch * positions);
  const exampleOf = epochOrder(key, examples.length);
  for (let row = 0; row < batch; row += 1) {
    const turn = step * batch + row;
    const example = examples[exampleOf(turn)];
    if (example === undefined) continue;
    if (example.codes.length !== positions) {
      throw new TesseraeError('model-incompatible', `An example has ${example.codes.length} codes; this prior's grid has ${positions}.`, {
        remedy: 'Encode pictures of the size the grid stands for.',
      });
    }
    const chosen = example.captions[uniformInteger(deriveKey(key, 'caption'), Math.max(1, example.captions.length), turn)];
    const dropped = chosen === undefined || uniform(deriveKey(key, 'dropout'), turn) < captionDropout;
    const ids = dropped ? new Int32Array(0) : typeof chosen === 'function' ? chosen(deriveKey(key, 'merges', turn)) : chosen;
    text.set(padText(configuration, ids.subarray(0, textLength)), row * textLength);
    codes.set(example.codes, row * positions);
  }
  return { text: int32Array([batch, textLength], text), codes: int32Array([batch, positions], codes) };
}
