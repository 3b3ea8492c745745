import { boolArray, float32Array, type HostArray, int32Array, type Question, TesseraeError, type TraceScope } from '@tesserae/core';
import { conditionOf } from './condition-choices.js';
import type { PriorConfiguration } from './configuration.js';
import type { ConditionTensors } from './embeddings.js';
import { padText } from './pad-text.js';

/** Declares the inputs of a condition: `text`, or `features`, `featuresGiven` and `featuresMask` (`ConditionTensors`). */
export function declareCondition(scope: TraceScope, configuration: PriorConfiguration, batch: number): ConditionTensors {
  const { textLength } = configuration;
  const condition = conditionOf(configuration);
  if (condition.kind !== 'features') return { text: scope.input('text', [batch, textLength], 'int32') };
  return {
    features: {
      values: scope.input('features', [batch, textLength, condition.width]),
      given: scope.input('featuresGiven', [batch], 'bool'),
      mask: scope.input('featuresMask', [batch, textLength], 'bool'),
    },
  };
}

function repeated<Data extends Int32Array | Float32Array | Uint8Array>(into: Data, rows: readonly Data[], copies: number): Data {
  let at = 0;
  for (const row of rows) {
    for (let copy = 0; copy < copies; copy += 1) {
      into.set(row, at);
      at += row.length;
    }
  }
  return into;
}

/**
 * The inputs that `declareCondition` declares, each question `copies` times.
 * @throws TesseraeError `prompt-invalid` for a text that does not fit, or none where features are read and the other way round.
 */
export function conditionValues(configuration: PriorConfiguration, questions: readonly Question[], copies = 1): Record<string, HostArray> {
  const { textLength } = configuration;
  const condition = conditionOf(configuration);
  const rows = questions.length * copies;
  if (condition.kind !== 'features') {
    if (questions.some(({ features }) => features !== undefined)) {
      throw new TesseraeError('prompt-invalid', 'The prompt comes as features, which this prior does not read.', { remedy: 'Give the text as ids.' });
    }
    const texts = questions.map(({ text }) => padText(configuration, text));
    return { text: int32Array([rows, textLength], repeated(new Int32Array(rows * textLength), texts, copies)) };
  }
  const { width } = condition;
  const size = textLength * width;
  const read = questions.map(({ text, features }) => {
    if (text.length > 0)
      throw new TesseraeError('prompt-invalid', 'This prior reads features of a text, not its ids.', {
        remedy: `Give ${textLength} features of ${width} numbers as the question's 'features'.`,
      });
    const { values, mask = new Uint8Array(textLength).fill(1) } = features ?? {};
    if ((values !== undefined && values.length !== size) || mask.length !== textLength) {
      throw new TesseraeError(
        'prompt-invalid',
        `The prompt has ${values?.length ?? 0} numbers of features and a mask of ${mask.length}; this prior reads ${textLength} features of ${width}.`,
        {
          remedy: 'Pad the features to that length and mask the padding.',
          details: { textLength, width },
        },
      );
    }
    return { values: values ?? new Float32Array(size), given: Uint8Array.of(values === undefined ? 0 : 1), mask };
  });
  return {
    features: float32Array(
      [rows, textLength, width],
      repeated(
        new Float32Array(rows * size),
        read.map(({ values }) => values),
        copies,
      ),
    ),
    featuresGiven: boolArray(
      [rows],
      repeated(
        new Uint8Array(rows),
        read.map(({ given }) => given),
        copies,
      ),
    ),
    featuresMask: boolArray(
      [rows, textLength],
      repeated(
        new Uint8Array(rows * textLength),
        read.map(({ mask }) => mask),
        copies,
      ),
    ),
  };
}
