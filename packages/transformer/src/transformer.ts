import {
  add,
  type attention,
  concat,
  createParameterTree,
  equal,
  linear,
  logicalNot,
  matMul,
  type ParameterScope,
  type ParameterSpec,
  reshape,
  sliceAxis,
  type Tensor,
  trace,
} from '@tesserae/core';
import { normalise } from './blocks/norms.js';
import { attentionOf, calmEmbeddings, divideByLargest } from './blocks/stable.js';
import { encoderKeysAndValues, type KeysAndValues, runStack, type Stream, weightDeviation } from './blocks/stack.js';
import { shiftTokens } from './blocks/token-shift.js';
import { declareCondition } from './condition.js';
import { conditionOf } from './condition-choices.js';
import { choicesOf, imageLengthOf, imageVocabularyOf, type PriorConfiguration, predictedTextOf, prefixLengthOf, textTokensOf } from './configuration.js';
import { type ConditionTensors, embedEncoderText, embedLeadingImage, embedPrefix, imageTable, textTable } from './embeddings.js';
import { type AttentionPath, jointAttention } from './joint-attention.js';
import { encoderShape, rotaryTable, rotateHeads, stackShape } from './stack-shapes.js';

/**
 * The output layer over text ids, paddings included, and image codes. It is two matrices, as if one were cut: at each
 * position only one kind of token can follow, and half a product is not computed to be thrown away.
 */
export function outputLogits(parameters: ParameterScope, configuration: PriorConfiguration, kind: 'text' | 'image', x: Tensor): Tensor {
  const { stable, norm, biases } = choicesOf(configuration);
  const features = kind === 'text' ? textTokensOf(configuration) : imageVocabularyOf(configuration);
  const last = normalise(parameters.child('norm'), stable ? divideByLargest(x) : x, norm);
  const head = parameters.child('head');
  const normal = configuration.headNorm === true ? normalise(head.child('norm'), last, norm) : last;
  const place = head.child(kind);
  if (configuration.tiedEmbeddings !== true) return linear(place, normal, { features, initializer: { kind: 'normal', deviation: weightDeviation }, bias: biases.head });
  const product = matMul(normal, (kind === 'text' ? textTable : imageTable)(parameters, configuration), { transposeB: true });
  return biases.head ? add(product, place.parameter('bias', [features], { kind: 'zeros' })) : product;
}

/** An encoder's last states and which of them are looked at. */
export interface EncodedText {
  /** [batch, textLength, width]. */
  readonly states: Tensor;
  /** bool [batch, 1, 1, textLength]. */
  readonly mask: Tensor;
}

/** Reads a text with the prior's encoder; undefined where it has none. */
export function encodeText(parameters: ParameterScope, configuration: PriorConfiguration, { text }: ConditionTensors): EncodedText | undefined {
  const condition = conditionOf(configuration);
  if (condition.kind !== 'encoder' || text === undefined) return undefined;
  const [batch = 0, length = 0] = text.shape;
  const place = parameters.child('encoder');
  const shape = encoderShape(configuration, condition.layers);
  const mask = reshape(logicalNot(equal(text, condition.padding)), [batch, 1, 1, length]);
  const attend = attentionOf(shape.choices.stable);
  const states = runStack(place, shape, embedEncoderText(place, configuration, text), { attend: (queries, own) => attend(queries, own.keys, own.values, { mask }) });
  return { states: normalise(place.child('norm'), states, shape.choices.norm), mask };
}

/** What a forward pass tells of its way, for the caches of decoding. */
export interface StreamObserver {
  /** Every layer's keys and values. */
  keep?(own: KeysAndValues, layer: number): void;
  /** The normalised input [batch, length, width] of each part whose tokens are shifted. */
  keepShifted?(normal: Tensor, place: string): void;
  /** What each layer's cross-attention reads. */
  keepEncoded?(read: KeysAndValues, layer: number): void;
  keepEncoderMask?(mask: Tensor): void;
  /** The residual stream before the first layer and after every layer. */
  keepResidual?(residual: readonly Tensor[]): void;
}

type Attention = typeof attention;

function crossAttend(parameters: ParameterScope, configuration: PriorConfiguration, given: ConditionTensors, attend: Attention, observer: StreamObserver): Stream['attendEncoder'] {
  const encoded = encodeText(parameters, configuration, given);
  if (encoded === undefined) return undefined;
  const shape = stackShape(configuration);
  observer.keepEncoderMask?.(encoded.mask);
  return (queries, layer) => {
    const read = encoderKeysAndValues(parameters, shape, encoded.states, layer);
    observer.keepEncoded?.(read, layer);
    return attend(queries, read.keys, read.values, { mask: encoded.mask });
  };
}

export interface StreamOptions {
  readonly attention?: AttentionPath;
  readonly observer?: StreamObserver;
  /** Whether every position's last state is wanted, or that of the last position alone: [batch, 1, width]. Default all. */
  readonly asked?: 'all' | 'last';
}

/** Runs the blocks over what stands before the picture and the first image tokens at once: [batch, length, width]. */
export function jointStream(
  parameters: ParameterScope,
  configuration: PriorConfiguration,
  given: ConditionTensors,
  codes: Tensor | undefined,
  { observer = {}, attention: path, asked = 'all' }: StreamOptions = {},
): Tensor {
  const count = codes?.shape[1] ?? 0;
  const prefix = embedPrefix(parameters, configuration, given);
  const embedded = codes === undefined || count === 0 ? prefix : concat([prefix, embedLeadingImage(parameters, configuration, codes)], 1);
  const [batch = 0, length = 0, width = 0] = embedded.shape;
  const shape = stackShape(configuration);
  const { stable, tokenShift } = shape.choices;
  const attend = attentionOf(stable);
  const attendJointly = jointAttention(parameters.trace, configuration, given.features, count, path);
  const turns = rotaryTable(configuration);
  const rowsOf = (table: Parameters<typeof parameters.trace.literal>[0]): Tensor => sliceAxis(parameters.trace.literal(table), 0, 0, length);
  const rotary = turns === undefined ? undefined : { cosines: rowsOf(turns.cosines), sines: rowsOf(turns.sines) };
  const attendEncoder = crossAttend(parameters, configuration, given, attend, observer);
  return runStack(parameters, shape, stable ? calmEmbeddings(embedded) : embedded, {
    attend(queries, own, layer) {
      observer.keep?.(own, layer);
      return attendJointly(queries, own, layer);
    },
    asked,
    passLayer: (residual) => observer.keepResidual?.(residual),
    ...(rotary === undefined ? {} : { rotate: (heads: Tensor) => rotateHeads(configuration, heads, rotary.cosines, rotary.sines) }),
    ...(tokenShift
      ? {
          shift(normal: Tensor, place: string) {
            const tokens = reshape(normal, [batch, length, width]);
            observer.keepShifted?.(tokens, place);
            return reshape(shiftTokens(tokens, prefixLengthOf(configuration), configuration.grid), [batch * length, width]);
          },
        }
      : {}),
    ...(attendEncoder === undefined ? {} : { attendEncoder }),
  });
}

export interface PriorLogits {
  /** [batch, positions, text ids and paddings]: the text's last positions given what is before each; absent where text is not predicted. */
  readonly text?: Tensor;
  /** [batch, positions, imageVocabularySize]: image token i given the text and the image tokens before it. */
  readonly image: Tensor;
}

/**
 * The whole model: what it is told, and codes int32 [batch, positions]. Each input position predicts the next token; the
 * last code predicts nothing and is not read.
 */
export function priorLogits(
  parameters: ParameterScope,
  configuration: PriorConfiguration,
  given: ConditionTensors,
  codes: Tensor,
  options: Omit<StreamOptions, 'asked'> = {},
): PriorLogits {
  const positions = imageLengthOf(configuration);
  const predictedText = predictedTextOf(configuration);
  const stream = jointStream(parameters, configuration, given, sliceAxis(codes, 1, 0, positions - 1), options);
  return {
    ...(predictedText === 0 ? {} : { text: outputLogits(parameters, configuration, 'text', sliceAxis(stream, 1, 0, predictedText)) }),
    image: outputLogits(parameters, configuration, 'image', sliceAxis(stream, 1, prefixLengthOf(configuration) - 1, positions)),
  };
}

/** Every parameter of a configuration with its shape, without making any: also of the paper's 12 billion. */
export function priorParameters(configuration: PriorConfiguration): ReadonlyMap<string, ParameterSpec> {
  let specs: ReadonlyMap<string, ParameterSpec> = new Map();
  trace('parameters', (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const given = declareCondition(scope, configuration, 1);
    const codes = scope.input('codes', [1, imageLengthOf(configuration)], 'int32');
    const { text, image } = priorLogits(tree.root, configuration, given, codes, { attention: 'omitted' });
    if (text !== undefined) scope.output('text', text);
    scope.output('image', image);
    specs = tree.specs;
  });
  return specs;
}
