import { add, type Initializer, linear, multiply, type ParameterScope, reshape, sliceAxis, split, type Tensor, transpose } from '@tesserae/core';
import type { BlockChoices } from './choices.js';
import { feedForward } from './feed-forward.js';
import { residualPart } from './norms.js';

/** GPT-2's deviation of first weights (Radford et al. 2019). */
export const weightDeviation = 0.02;

/** Sizes and choices of a stack of blocks. */
export interface StackShape {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  readonly choices: BlockChoices;
}

/** Keys and values of one layer, each [batch, heads, length, headSize]. */
export interface KeysAndValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** How tokens meet each other in a stack: what tells training, prefill and decoding apart. */
export interface Stream {
  /** One layer's queries meet its own keys and values, and those that came before. */
  attend(queries: Tensor, own: KeysAndValues, layer: number): Tensor;
  /** Turns [batch, 3·heads, length, headSize] (queries, keys, values) by their positions. Default: not. */
  rotate?(heads: Tensor): Tensor;
  /** Token shift of a part's normalised input [batch·length, width]; `place` tells the parts of all layers apart. Default: not. */
  shift?(normal: Tensor, place: string): Tensor;
  /** Told the residual stream, or both streams of a reversible network, before the first layer and after every layer. */
  passLayer?(residual: readonly Tensor[]): void;
  /** What is asked of the stack: every position, or the last one alone, for which the last layer then works alone where it can. Default: all. */
  readonly asked?: 'all' | 'last';
  /** Meets an encoder's tokens: queries as in `attend`. Without it the blocks have no cross-attention. */
  attendEncoder?(queries: Tensor, layer: number): Tensor;
}

/** Places whose normalised inputs are shifted, as `Stream.shift` names them. */
export const shiftPlaces = (layer: number): readonly [attention: string, feedForward: string] => [`${layer}.attention`, `${layer}.mlp`];

const normal = (deviation: number): Initializer => ({ kind: 'normal', deviation });

/** Each residual part's output: the sum over the stack keeps the variance of one block (GPT-2, §2.3). */
const residualWeights = ({ layers }: StackShape): Initializer => normal(weightDeviation / Math.sqrt(2 * layers));

/** [batch·length, parts·heads·headSize] → [batch, parts·heads, length, headSize]. */
function toHeads(rows: Tensor, batch: number, { headSize }: StackShape): Tensor {
  const [count = 0, channels = 0] = rows.shape;
  return transpose(reshape(rows, [batch, count / Math.max(1, batch), channels / headSize, headSize]), [0, 2, 1, 3]);
}

/** [batch, heads, length, headSize] → [batch·length, heads·headSize]. */
function fromHeads(x: Tensor): Tensor {
  const [batch = 0, heads = 0, length = 0, headSize = 0] = x.shape;
  return reshape(transpose(x, [0, 2, 1, 3]), [batch * length, heads * headSize]);
}

/** The last position of each: [batch·length, width] → [batch, width]. */
function lastOfEach(rows: Tensor, batch: number): Tensor {
  const [count = 0, width = 0] = rows.shape;
  const length = count / Math.max(1, batch);
  return reshape(sliceAxis(reshape(rows, [batch, length, width]), 1, length - 1, 1), [batch, width]);
}

interface AttentionCall {
  readonly layer: number;
  readonly stream: Stream;
  readonly batch: number;
  /** Whether only the last position's answer is wanted. */
  readonly onlyLast: boolean;
}

function selfAttention(place: ParameterScope, shape: StackShape, rows: Tensor, { layer, stream, batch, onlyLast }: AttentionCall): Tensor {
  const { width, heads, headSize, choices } = shape;
  const { attentionInput, attentionOutput } = choices.biases;
  const joint = linear(place.child('input'), rows, { features: 3 * heads * headSize, initializer: normal(weightDeviation), bias: attentionInput });
  // Queries, keys and values lie behind one another, each head by head: all become heads first and are told apart then.
  const inHeads = toHeads(joint, batch, shape);
  const [queries = joint, keys = joint, values = joint] = split(stream.rotate?.(inHeads) ?? inHeads, 1, 3);
  const asking = onlyLast ? sliceAxis(queries, 2, (queries.shape[2] ?? 1) - 1, 1) : queries;
  const attended = fromHeads(stream.attend(asking, { keys, values }, layer));
  return linear(place.child('output'), attended, { features: width, initializer: residualWeights(shape), bias: attentionOutput });
}

function crossAttention(place: ParameterScope, shape: StackShape, rows: Tensor, batch: number, attend: (queries: Tensor) => Tensor): Tensor {
  const { width, heads, headSize, choices } = shape;
  const { attentionInput, attentionOutput } = choices.biases;
  const queries = linear(place.child('queries'), rows, { features: heads * headSize, initializer: normal(weightDeviation), bias: attentionInput });
  const attended = fromHeads(attend(toHeads(queries, batch, shape)));
  return linear(place.child('output'), attended, { features: width, initializer: residualWeights(shape), bias: attentionOutput });
}

/** What one layer's cross-attention reads of an encoder's output [batch, length, width]. */
export function encoderKeysAndValues(parameters: ParameterScope, shape: StackShape, encoded: Tensor, layer: number): KeysAndValues {
  const [batch = 0, length = 0, width = 0] = encoded.shape;
  const { heads, headSize, choices } = shape;
  const place = parameters.child('blocks').child(`${layer}`).child('crossAttention').child('memory');
  const joint = linear(place, reshape(encoded, [batch * length, width]), {
    features: 2 * heads * headSize,
    initializer: normal(weightDeviation),
    bias: choices.biases.attentionInput,
  });
  const [keys = joint, values = joint] = split(toHeads(joint, batch, shape), 1, 2);
  return { keys, values };
}

/** The blocks, without the final norm: [batch, length, width] → the same, or [batch, 1, width] if only the last position is asked for. */
export function runStack(parameters: ParameterScope, shape: StackShape, input: Tensor, stream: Stream): Tensor {
  const { width, layers, choices } = shape;
  const [batch = 0, length = 0] = input.shape;
  const blocks = parameters.child('blocks');
  const shifted = (rows: Tensor, place: string): Tensor => (choices.tokenShift ? (stream.shift?.(rows, place) ?? rows) : rows);

  const attentionPart = (x: Tensor, layer: number, onlyLast = false): Tensor =>
    residualPart(blocks.child(`${layer}`).child('attention'), choices, x, layer, 'attention', (rows) =>
      selfAttention(blocks.child(`${choices.attentionOf[layer] ?? layer}`).child('attention'), shape, shifted(rows, shiftPlaces(layer)[0]), { layer, stream, batch, onlyLast }),
    );
  const crossAttentionPart = (x: Tensor, layer: number, attend: (queries: Tensor) => Tensor): Tensor => {
    const place = blocks.child(`${layer}`).child('crossAttention');
    return residualPart(place, choices, x, layer, 'attention', (rows) => crossAttention(place, shape, rows, batch, attend));
  };
  const feedForwardPart = (x: Tensor, layer: number): Tensor =>
    residualPart(blocks.child(`${layer}`).child('mlp'), choices, x, layer, 'feedForward', (rows) =>
      feedForward(blocks.child(`${choices.feedForwardOf[layer] ?? layer}`).child('mlp'), choices, shifted(rows, shiftPlaces(layer)[1]), {
        expand: normal(weightDeviation),
        contract: residualWeights(shape),
      }),
    );

  // One row a token: only attention tells pictures apart, and engines add a bias in the product of two matrices.
  let x = reshape(input, [batch * length, width]);
  // The second of a reversible network's two streams, which both begin as the input and end in their mean.
  let second = x;
  const passLayer = (): void => stream.passLayer?.(choices.reversible ? [x, second] : [x]);
  passLayer();
  const isLast = stream.asked === 'last' && length > 1;
  // A shifted token reads its neighbours', and of reversible streams the sum is asked.
  const cutsLast = isLast && !choices.tokenShift && !choices.reversible;
  for (let layer = 0; layer < layers; layer += 1) {
    const attendEncoder = stream.attendEncoder?.bind(stream);
    if (choices.reversible) {
      x = add(x, attentionPart(second, layer));
      second = add(second, feedForwardPart(x, layer));
      passLayer();
      continue;
    }
    const onlyLast = cutsLast && layer === layers - 1;
    x = add(onlyLast ? lastOfEach(x, batch) : x, attentionPart(x, layer, onlyLast));
    if (attendEncoder !== undefined)
      x = add(
        x,
        crossAttentionPart(x, layer, (queries) => attendEncoder(queries, layer)),
      );
    x = add(x, feedForwardPart(x, layer));
    passLayer();
  }
  const made = choices.reversible ? multiply(add(x, second), 0.5) : x;
  return isLast ? reshape(cutsLast ? made : lastOfEach(made, batch), [batch, 1, width]) : reshape(made, [batch, length, width]);
}
