import { add, broadcastTo, concat, embeddingTable, gather, gelu, linear, type ParameterScope, reshape, sliceAxis, type Tensor, where } from '@tesserae/core';
import { normalise } from './blocks/norms.js';
import { conditionOf } from './condition-choices.js';
import { choicesOf, imageLengthOf, imageVocabularyOf, type PriorConfiguration, positionsOf, textTokensOf } from './configuration.js';

/** What a prior is told, as graph values; which of them there are depends on its condition. */
export interface ConditionTensors {
  /** int32 [batch, textLength], paddings replaced (`padText`). Every condition but `features`. */
  readonly text?: Tensor;
  /** For `features`. */
  readonly features?: {
    /** float32 [batch, textLength, condition.width]. */
    readonly values: Tensor;
    /** bool [batch]: whether there is a text; without one the values are not read. */
    readonly given: Tensor;
    /** bool [batch, textLength]: which positions are looked at. */
    readonly mask: Tensor;
  };
}

const isRotary = (configuration: PriorConfiguration): boolean => positionsOf(configuration).startsWith('rotary');

/** The embedding table of the text's ids, which may also be the output layer's matrix. */
export function textTable(parameters: ParameterScope, configuration: PriorConfiguration): Tensor {
  return embeddingTable(parameters.child('text').child('tokens'), { count: textTokensOf(configuration), width: configuration.width });
}

/** The embedding table of the image's codes, which may also be the output layer's matrix. */
export function imageTable(parameters: ParameterScope, configuration: PriorConfiguration): Tensor {
  return embeddingTable(parameters.child('image').child('tokens'), { count: imageVocabularyOf(configuration), width: configuration.width });
}

function normaliseEmbedding(parameters: ParameterScope, configuration: PriorConfiguration, x: Tensor): Tensor {
  return configuration.embeddingNorm === true ? normalise(parameters.child('embeddingNorm'), x, choicesOf(configuration).norm) : x;
}

/** x [batch, count, width] with learned positions, where those are learned. */
function addTextPositions(parameters: ParameterScope, configuration: PriorConfiguration, x: Tensor): Tensor {
  if (isRotary(configuration)) return x;
  return add(x, embeddingTable(parameters.child('text').child('positions'), { count: x.shape[1] ?? 0, width: configuration.width }));
}

/** Ids int32 [batch, textLength] as an encoder reads them → [batch, textLength, width]. */
export function embedEncoderText(parameters: ParameterScope, configuration: PriorConfiguration, text: Tensor): Tensor {
  const embedded = addTextPositions(parameters, configuration, gather(textTable(parameters, configuration), text));
  return normaliseEmbedding(parameters, configuration, embedded);
}

function embedText(parameters: ParameterScope, configuration: PriorConfiguration, text: Tensor, start: 'own' | 'first-token' | 'none'): Tensor {
  const { width } = configuration;
  const batch = text.shape[0] ?? 0;
  const table = textTable(parameters, configuration);
  switch (start) {
    case 'own': {
      const place = parameters.child('text');
      const positions = isRotary(configuration) ? undefined : embeddingTable(place.child('positions'), { count: configuration.textLength, width });
      const first = broadcastTo(reshape(embeddingTable(place.child('start'), { count: 1, width }), [1, 1, width]), [batch, 1, width]);
      const tokens = gather(table, text);
      return concat([first, positions === undefined ? tokens : add(tokens, positions)], 1);
    }
    case 'first-token': {
      const first = broadcastTo(sliceAxis(table, 0, 0, 1), [batch, 1, width]);
      return addTextPositions(parameters, configuration, concat([first, gather(table, text)], 1));
    }
    case 'none':
      return addTextPositions(parameters, configuration, gather(table, text));
    default:
      return start satisfies never;
  }
}

/** Features through two matrices with GELU between (LlamaGen's caption projection); "no text" has learned features. */
function embedFeatures(parameters: ParameterScope, configuration: PriorConfiguration, { values, given }: NonNullable<ConditionTensors['features']>): Tensor {
  const [batch = 0, length = 0, features = 0] = values.shape;
  const { width } = configuration;
  const place = parameters.child('features');
  const bias = choicesOf(configuration).biases.feedForward;
  const none = embeddingTable(place.child('none'), { count: length, width: features });
  const known = where(reshape(given, [batch, 1, 1]), values, none);
  const hidden = gelu(linear(place.child('expand'), known, { features: width, bias }), 'tanh');
  return addTextPositions(parameters, configuration, linear(place.child('contract'), hidden, { features: width, bias }));
}

/** One learned vector an image position, or none where positions are turns: [positions, width]. */
function imagePositions(parameters: ParameterScope, configuration: PriorConfiguration): Tensor | undefined {
  const { width, grid } = configuration;
  const place = parameters.child('image');
  const count = imageLengthOf(configuration);
  const positions = positionsOf(configuration);
  switch (positions) {
    case 'rows-columns': {
      const rows = embeddingTable(place.child('rows'), { count: grid.rows, width });
      const columns = embeddingTable(place.child('columns'), { count: grid.columns, width });
      return reshape(add(reshape(rows, [grid.rows, 1, width]), columns), [count, width]);
    }
    case 'learned': {
      const table = embeddingTable(place.child('positions'), { count, width });
      // Behind an encoder the start token has the first place; the last image token, which predicts nothing, has none.
      return conditionOf(configuration).kind === 'encoder' ? concat([sliceAxis(table, 0, 1, count - 1), sliceAxis(table, 0, 0, 1)], 0) : table;
    }
    case 'rotary-axial':
    case 'rotary-grid':
      return undefined;
    default:
      return positions satisfies never;
  }
}

/** The token that stands before the picture where an encoder reads the text: [batch, 1, width]. */
function embedStartToken(parameters: ParameterScope, configuration: PriorConfiguration, startToken: number, batch: number): Tensor {
  const { width } = configuration;
  const token = sliceAxis(imageTable(parameters, configuration), 0, startToken, 1);
  const table = positionsOf(configuration) === 'learned' ? embeddingTable(parameters.child('image').child('positions'), { count: imageLengthOf(configuration), width }) : undefined;
  const placed = table === undefined ? token : add(token, sliceAxis(table, 0, 0, 1));
  return normaliseEmbedding(parameters, configuration, broadcastTo(reshape(placed, [1, 1, width]), [batch, 1, width]));
}

/** What stands before the picture: [batch, prefix, width]. `batch` is that of the condition. */
export function embedPrefix(parameters: ParameterScope, configuration: PriorConfiguration, { text, features }: ConditionTensors): Tensor {
  const condition = conditionOf(configuration);
  if (condition.kind === 'features') {
    if (features === undefined) throw new RangeError('a prior that reads features was traced without them');
    return normaliseEmbedding(parameters, configuration, embedFeatures(parameters, configuration, features));
  }
  if (text === undefined) throw new RangeError('a prior that reads text was traced without it');
  switch (condition.kind) {
    case 'text':
      return normaliseEmbedding(parameters, configuration, embedText(parameters, configuration, text, condition.start ?? 'own'));
    case 'class':
      return normaliseEmbedding(parameters, configuration, embedText(parameters, configuration, text, 'none'));
    case 'encoder':
      return embedStartToken(parameters, configuration, condition.startToken, text.shape[0] ?? 0);
    default:
      return condition satisfies never;
  }
}

/** The first image tokens: codes int32 [batch, count] → [batch, count, width]. */
export function embedLeadingImage(parameters: ParameterScope, configuration: PriorConfiguration, codes: Tensor): Tensor {
  const all = imagePositions(parameters, configuration);
  const positions = all === undefined ? undefined : sliceAxis(all, 0, 0, codes.shape[1] ?? 0);
  const tokens = gather(imageTable(parameters, configuration), codes);
  return normaliseEmbedding(parameters, configuration, positions === undefined ? tokens : add(tokens, positions));
}

/** One image token a row at an int32 scalar position: codes int32 [batch] → [batch, 1, width]. */
export function embedImageAt(parameters: ParameterScope, configuration: PriorConfiguration, codes: Tensor, position: Tensor): Tensor {
  const all = imagePositions(parameters, configuration);
  const place = all === undefined ? undefined : gather(all, position);
  const tokens = gather(imageTable(parameters, configuration), codes);
  const embedded = normaliseEmbedding(parameters, configuration, place === undefined ? tokens : add(tokens, place));
  return reshape(embedded, [codes.shape[0] ?? 0, 1, configuration.width]);
}
