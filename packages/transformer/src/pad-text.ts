import { TesseraeError } from '@tesserae/core';
import { conditionOf } from './condition-choices.js';
import type { PriorConfiguration } from './configuration.js';

/**
 * The text as the model reads it: ids, then each free position's own padding id `textVocabularySize + position`, or the
 * one padding id of the condition. DALLE-pytorch pads with 0 and takes every 0 for padding, also one inside a text (CLIP's `!`): so where the
 * text begins as its does, `start` being `first-token`, a 0 is its position's padding.
 * @throws TesseraeError `prompt-invalid` when it is too long or has an id outside the vocabulary.
 */
export function padText(configuration: PriorConfiguration, ids: ArrayLike<number>): Int32Array {
  const { textLength, textVocabularySize } = configuration;
  const condition = conditionOf(configuration);
  const { padding, emptyText = [] } = condition.kind === 'text' || condition.kind === 'encoder' ? condition : {};
  const zeroPads = condition.kind === 'text' && condition.start === 'first-token';
  const given = ids.length === 0 ? emptyText : ids;
  if (given.length > textLength) {
    throw new TesseraeError('prompt-invalid', `The text is ${given.length} tokens long; this prior reads ${textLength}.`, {
      remedy: 'Shorten it.',
      details: { length: given.length, textLength },
    });
  }
  return Int32Array.from({ length: textLength }, (_, position) => {
    const id = given[position];
    if (id === undefined || (zeroPads && id === 0)) return padding ?? textVocabularySize + position;
    if (!Number.isInteger(id) || id < 0 || id >= textVocabularySize) {
      throw new TesseraeError('prompt-invalid', `The text has the token ${id} at position ${position}; this prior knows 0 to ${textVocabularySize - 1}.`, {
        remedy: 'Use the tokenizer the prior was trained with.',
        details: { id, position },
      });
    }
    return id;
  });
}
