import {
  add,
  attention,
  broadcastTo,
  concat,
  createParameterTree,
  embeddingTable,
  gather,
  gelu,
  layerNormLayer,
  linear,
  type ParameterScope,
  type ParameterSpec,
  reshape,
  sliceAxis,
  split,
  type Tensor,
  trace,
  transpose,
} from '@tesserae/core';
import { jointMask } from './attention-patterns.js';
import { imageLengthOf, layerPatterns, type PriorConfiguration, prefixLengthOf } from './configuration.js';

/** GPT-2's deviation of first weights (Radford et al. 2019). */
const weightDeviation = 0.02;

/** Keys and values of one layer, each [batch, heads, length, headSize]. */
export interface KeysAndValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** How one layer's queries meet keys and values: what tells training, prefill and decoding apart. */
export type Attend = (queries: Tensor, own: KeysAndValues, layer: number) => Tensor;

/** Start of text and text: ids int32 [batch, textLength], paddings replaced → [batch, textLength + 1, width]. */
export function embedText(parameters: ParameterScope, configuration: PriorConfiguration, text: Tensor): Tensor {
  const { width, textLength, textVocabularySize } = configuration;
  const batch = text.shape[0] ?? 0;
  const place = parameters.child('text');
  const tokens = embeddingTable(place.child('tokens'), { count: textVocabularySize + textLength, width });
  const positions = embeddingTable(place.child('positions'), { count: textLength, width });
  const start = embeddingTable(place.child('start'), { count: 1, width });
  return concat([broadcastTo(reshape(start, [1, 1, width]), [batch, 1, width]), add(gather(tokens, text), positions)], 1);
}

/** Row + column embedding of every image position: [positions, width]. */
function imagePositions(parameters: ParameterScope, configuration: PriorConfiguration): Tensor {
  const { width, grid } = configuration;
  const place = parameters.child('image');
  const rows = embeddingTable(place.child('rows'), { count: grid.rows, width });
  const columns = embeddingTable(place.child('columns'), { count: grid.columns, width });
  return reshape(add(reshape(rows, [grid.rows, 1, width]), columns), [imageLengthOf(configuration), width]);
}

function imageTokens(parameters: ParameterScope, configuration: PriorConfiguration): Tensor {
  return embeddingTable(parameters.child('image').child('tokens'), { count: configuration.codebookSize, width: configuration.width });
}

/** The first image tokens: codes int32 [batch, count] → [batch, count, width]. */
export function embedLeadingImage(parameters: ParameterScope, configuration: PriorConfiguration, codes: Tensor): Tensor {
  const positions = sliceAxis(imagePositions(parameters, configuration), 0, 0, codes.shape[1] ?? 0);
  return add(gather(imageTokens(parameters, configuration), codes), positions);
}

/** One image token a row at an int32 scalar position: codes int32 [batch] → [batch, 1, width]. */
export function embedImageAt(parameters: ParameterScope, configuration: PriorConfiguration, codes: Tensor, position: Tensor): Tensor {
  const place = gather(imagePositions(parameters, configuration), position);
  const embedded = add(gather(imageTokens(parameters, configuration), codes), place);
  return reshape(embedded, [codes.shape[0] ?? 0, 1, configuration.width]);
}

/** Pre-LN blocks of attention and MLP (GPT-2), without the final norm: [batch, length, width] → the same. */
export function transformerBlocks(parameters: ParameterScope, configuration: PriorConfiguration, input: Tensor, attend: Attend): Tensor {
  const { width, heads, layers } = configuration;
  const [batch = 0, length = 0] = input.shape;
  const weights = { kind: 'normal', deviation: weightDeviation } as const;
  // Each block adds twice to the residual stream; this keeps the sum's variance at one block's (GPT-2, §2.3).
  const residualWeights = { kind: 'normal', deviation: weightDeviation / Math.sqrt(2 * layers) } as const;
  // Queries, keys and values lie behind one another, each head by head: all become heads first and are told apart then.
  const toHeads = (x: Tensor): Tensor[] => split(transpose(reshape(x, [batch, length, 3 * heads, width / heads]), [0, 2, 1, 3]), 1, 3);
  const fromHeads = (x: Tensor): Tensor => reshape(transpose(x, [0, 2, 1, 3]), [batch * length, width]);

  // One row a token: only attention tells pictures apart, and engines add a bias in the product of two matrices.
  let x = reshape(input, [batch * length, width]);
  for (let layer = 0; layer < layers; layer += 1) {
    const block = parameters.child('blocks').child(`${layer}`);
    const attentionPlace = block.child('attention');
    const joint = linear(attentionPlace.child('input'), layerNormLayer(attentionPlace.child('norm'), x), { features: 3 * width, initializer: weights });
    const [queries = joint, keys = joint, values = joint] = toHeads(joint);
    const attended = fromHeads(attend(queries, { keys, values }, layer));
    x = add(x, linear(attentionPlace.child('output'), attended, { features: width, initializer: residualWeights }));

    const mlp = block.child('mlp');
    const hidden = gelu(linear(mlp.child('expand'), layerNormLayer(mlp.child('norm'), x), { features: 4 * width, initializer: weights }));
    x = add(x, linear(mlp.child('contract'), hidden, { features: width, initializer: residualWeights }));
  }
  return reshape(x, [batch, length, width]);
}

/**
 * The output layer over text ids, paddings included, and image codes. It is two matrices, as if one were cut: at each
 * position only one kind of token can follow, and half a product is not computed to be thrown away.
 */
export function outputLogits(parameters: ParameterScope, configuration: PriorConfiguration, kind: 'text' | 'image', x: Tensor): Tensor {
  const features = kind === 'text' ? configuration.textVocabularySize + configuration.textLength : configuration.codebookSize;
  const normal = layerNormLayer(parameters.child('norm'), x);
  return linear(parameters.child('head').child(kind), normal, { features, initializer: { kind: 'normal', deviation: weightDeviation } });
}

/** Runs the blocks over text and the first image tokens at once. `keep` is told every layer's keys and values. */
export function jointStream(
  parameters: ParameterScope,
  configuration: PriorConfiguration,
  text: Tensor,
  codes: Tensor | undefined,
  keep: (own: KeysAndValues, layer: number) => void = () => undefined,
): Tensor {
  const count = codes?.shape[1] ?? 0;
  const prefix = embedText(parameters, configuration, text);
  const stream = codes === undefined || count === 0 ? prefix : concat([prefix, embedLeadingImage(parameters, configuration, codes)], 1);
  const patterns = layerPatterns(configuration);
  const masks = new Map([...new Set(patterns)].map((pattern) => [pattern, parameters.trace.literal(jointMask(configuration, pattern, count))] as const));
  return transformerBlocks(parameters, configuration, stream, (queries, own, layer) => {
    keep(own, layer);
    const mask = masks.get(patterns[layer] ?? 'full');
    return attention(queries, own.keys, own.values, mask === undefined ? {} : { mask });
  });
}

export interface PriorLogits {
  /** [batch, textLength, textVocabularySize + textLength]: text position i given the text before it. */
  readonly text: Tensor;
  /** [batch, positions, codebookSize]: image token i given the text and the image tokens before it. */
  readonly image: Tensor;
}

/**
 * The whole model: text int32 [batch, textLength] with paddings replaced, codes int32 [batch, positions]. Each input
 * position predicts the next token; the last code predicts nothing and is not read.
 */
export function priorLogits(parameters: ParameterScope, configuration: PriorConfiguration, text: Tensor, codes: Tensor): PriorLogits {
  const { textLength } = configuration;
  const positions = imageLengthOf(configuration);
  const stream = jointStream(parameters, configuration, text, sliceAxis(codes, 1, 0, positions - 1));
  return {
    text: outputLogits(parameters, configuration, 'text', sliceAxis(stream, 1, 0, textLength)),
    image: outputLogits(parameters, configuration, 'image', sliceAxis(stream, 1, prefixLengthOf(configuration) - 1, positions)),
  };
}

/** Every parameter of a configuration with its shape, without making any: also of the paper's 12 billion. */
export function priorParameters(configuration: PriorConfiguration): ReadonlyMap<string, ParameterSpec> {
  let specs: ReadonlyMap<string, ParameterSpec> = new Map();
  trace('parameters', (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const text = scope.input('text', [1, configuration.textLength], 'int32');
    const codes = scope.input('codes', [1, imageLengthOf(configuration)], 'int32');
    const { text: textLogits, image } = priorLogits(tree.root, configuration, text, codes);
    scope.output('text', textLogits);
    scope.output('image', image);
    specs = tree.specs;
  });
  return specs;
}
