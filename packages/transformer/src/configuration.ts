import type { Grid } from '@tesserae/core';
import { type BlockChoices, type GivenChoices, parseChoices, withDefaults } from './blocks/choices.js';
import { type Condition, conditionOf, parseCondition } from './condition-choices.js';
import { choice, invalid, optional, recordOf, truth, wholeNumber } from './configuration-fields.js';

/**
 * How image tokens look at earlier image tokens in one layer (`attention-patterns.ts`): `full`; the DALL-E paper's `row`,
 * `column` and `convolutional` (Figure 11); DALLE-pytorch's `axialRow`, `axialColumn` and `convLike`; ru-dalle's `neighbourhood`.
 */
export type AttentionPattern = 'full' | 'row' | 'column' | 'convolutional' | 'axialRow' | 'axialColumn' | 'convLike' | 'neighbourhood';

export const patternNames: Readonly<Record<AttentionPattern, true>> = {
  full: true,
  row: true,
  column: true,
  convolutional: true,
  axialRow: true,
  axialColumn: true,
  convLike: true,
  neighbourhood: true,
};

/**
 * What tells the model where a token stands. `rows-columns`: a learned vector a row plus one a column (the paper), and
 * one a text position; `learned`: one a position (minDALL-E, DALL-E mini); `rotary-axial`: queries, keys and values
 * turned by text position, row and column (DALLE-pytorch); `rotary-grid`: queries and keys by row and column (LlamaGen).
 */
export type Positions = 'rows-columns' | 'learned' | 'rotary-axial' | 'rotary-grid';

const positionsNames: Readonly<Record<Positions, true>> = { 'rows-columns': true, learned: true, 'rotary-axial': true, 'rotary-grid': true };

/** A text+image prior. Plain data: saved as the `config.json` beside its weights. */
export interface PriorConfiguration {
  readonly kind: 'prior';
  /** Size of the residual stream; a multiple of `heads`. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Ids of the text tokenizer, paddings not counted: they follow as `textVocabularySize + position`. */
  readonly textVocabularySize: number;
  /** Text positions; shorter texts are padded, each position with its own learned padding. */
  readonly textLength: number;
  readonly grid: Grid;
  /** Codes of the image tokenizer. */
  readonly codebookSize: number;
  /** One pattern for all layers, the paper's order, or one pattern a layer. */
  readonly attention: 'full' | 'paper' | readonly AttentionPattern[];
  /** Side of the `convolutional`, `neighbourhood` and `convLike` patterns, odd. Default: 11 (the paper's) or what the smaller side of the grid allows; 5 for `convLike`. */
  readonly convolutionKernel?: number;
  /** Channels of a head. Default: width / heads. */
  readonly headSize?: number;
  /** What stands before the picture. Default: a text that is predicted too, behind a start token. */
  readonly condition?: Condition;
  /** Default: `rows-columns`. */
  readonly positions?: Positions;
  /** What the blocks are made of. Default: GPT-2's. */
  readonly block?: GivenChoices;
  /** Normalise the embeddings (BART). Default false. */
  readonly embeddingNorm?: boolean;
  /** Normalise once more before the output layer (ru-dalle). Default false. */
  readonly headNorm?: boolean;
  /** The output layer uses the token embeddings as its matrices. Default false. */
  readonly tiedEmbeddings?: boolean;
  /** Rows of the image token table and of the output layer: more than `codebookSize` where ids above it were trained. Those are never sampled. */
  readonly imageVocabularySize?: number;
}

function attentionOf(value: unknown, layers: number): PriorConfiguration['attention'] {
  if (value === 'full' || value === 'paper') return value;
  if (!Array.isArray(value)) return invalid('attention', value, "Use 'full', 'paper', or a list with one pattern a layer.");
  if (value.length !== layers) return invalid('attention', value, `List ${layers} patterns, one a layer.`);
  return value.map((pattern: unknown, layer) => choice(pattern, `attention[${layer}]`, patternNames));
}

/**
 * Checks a configuration that may have come from a file and gives it with nothing but its own fields.
 * @throws TesseraeError `invalid-argument` naming the field.
 */
export function parsePriorConfiguration(value: unknown): PriorConfiguration {
  const given = recordOf(value, 'configuration');
  if (given.kind !== 'prior') invalid('kind', given.kind, "Use 'prior'.");
  const width = wholeNumber(given.width, 'width');
  const layers = wholeNumber(given.layers, 'layers');
  const heads = wholeNumber(given.heads, 'heads');
  if (given.headSize === undefined && width % heads !== 0) invalid('heads', heads, `Use a divisor of the width ${width}, or say the headSize.`);
  const grid = recordOf(given.grid, 'grid');
  const kernel = given.convolutionKernel === undefined ? undefined : wholeNumber(given.convolutionKernel, 'convolutionKernel');
  if (kernel !== undefined && kernel % 2 === 0) invalid('convolutionKernel', kernel, 'Use an odd number.');
  const configuration: PriorConfiguration = {
    kind: 'prior',
    width,
    layers,
    heads,
    textVocabularySize: wholeNumber(given.textVocabularySize, 'textVocabularySize', 0),
    textLength: wholeNumber(given.textLength, 'textLength'),
    grid: { rows: wholeNumber(grid.rows, 'grid.rows'), columns: wholeNumber(grid.columns, 'grid.columns') },
    codebookSize: wholeNumber(given.codebookSize, 'codebookSize'),
    attention: attentionOf(given.attention, layers),
    ...(kernel === undefined ? {} : { convolutionKernel: kernel }),
    ...optional(given, 'headSize', (size, field) => wholeNumber(size, field)),
    ...optional(given, 'condition', parseCondition),
    ...optional(given, 'positions', (name, field) => choice(name, field, positionsNames)),
    ...optional(given, 'block', (block) => parseChoices(block, layers, width)),
    ...optional(given, 'embeddingNorm', truth),
    ...optional(given, 'headNorm', truth),
    ...optional(given, 'tiedEmbeddings', truth),
    ...optional(given, 'imageVocabularySize', (size, field) => wholeNumber(size, field)),
  };
  checkFit(configuration);
  return configuration;
}

/** What single fields cannot show. */
function checkFit(configuration: PriorConfiguration): void {
  const { codebookSize, textLength, textVocabularySize, tiedEmbeddings = false } = configuration;
  const condition = conditionOf(configuration);
  const imageVocabulary = imageVocabularyOf(configuration);
  const { tokenShift, reversible } = choicesOf(configuration);
  const headSize = headSizeOf(configuration);
  const positions = positionsOf(configuration);
  if (imageVocabulary < codebookSize) invalid('imageVocabularySize', imageVocabulary, `Use at least the codebookSize ${codebookSize}.`);
  if (condition.kind !== 'features' && textVocabularySize < 1) invalid('textVocabularySize', textVocabularySize, "Give 'textVocabularySize' as a whole number of at least 1.");
  if (positions === 'rotary-grid' && headSize % 4 !== 0) invalid('positions', positions, `Turn heads whose size 4 divides, not ${headSize}.`);
  if (positions === 'rotary-axial' && headSize < 6) invalid('positions', positions, `Turn heads of at least 6 channels, not ${headSize}.`);
  if (tokenShift && condition.kind !== 'text') invalid('block.tokenShift', tokenShift, "Shift tokens behind a 'text' only.");
  if (tiedEmbeddings && condition.kind === 'encoder') invalid('tiedEmbeddings', tiedEmbeddings, 'Leave it out with an encoder.');
  if (condition.kind === 'text' || condition.kind === 'encoder') {
    const { padding = 0, emptyText = [] } = condition;
    if (padding >= textVocabularySize) invalid('condition.padding', padding, `Use a text id below ${textVocabularySize}.`);
    if (emptyText.length > textLength || emptyText.some((id) => id >= textVocabularySize))
      invalid('condition.emptyText', emptyText, `List at most ${textLength} text ids below ${textVocabularySize}.`);
  }
  switch (condition.kind) {
    case 'class':
      if (textLength !== 1) invalid('textLength', textLength, 'Use 1: a class is one token.');
      return;
    case 'encoder':
      if (condition.startToken >= imageVocabulary) invalid('condition.startToken', condition.startToken, `Use an id below ${imageVocabulary}.`);
      if (reversible) invalid('block.reversible', reversible, 'Leave it out with an encoder.');
      return;
    case 'text':
    case 'features':
      return;
    default:
      condition satisfies never;
  }
}

/** Every choice of the blocks, defaults filled in. */
export function choicesOf({ block = {}, layers, width }: PriorConfiguration): BlockChoices {
  return withDefaults(block, layers, width);
}

export function positionsOf({ positions = 'rows-columns' }: PriorConfiguration): Positions {
  return positions;
}

/** Channels of a head. */
export function headSizeOf({ headSize, width, heads }: PriorConfiguration): number {
  return headSize ?? width / heads;
}

/** Image tokens the model has embeddings and scores for. */
export function imageVocabularyOf({ imageVocabularySize, codebookSize }: PriorConfiguration): number {
  return imageVocabularySize ?? codebookSize;
}

/** Text ids the model has embeddings for, paddings included. */
export function textTokensOf(configuration: PriorConfiguration): number {
  const { textVocabularySize, textLength } = configuration;
  const condition = conditionOf(configuration);
  const hasOwnPadding = (condition.kind === 'text' || condition.kind === 'encoder') && condition.padding !== undefined;
  return textVocabularySize + (hasOwnPadding ? 0 : textLength);
}

/** How many of the text's positions are predicted: its last ones. */
export function predictedTextOf(configuration: PriorConfiguration): number {
  const condition = conditionOf(configuration);
  if (condition.kind !== 'text') return 0;
  return condition.start === 'none' ? configuration.textLength - 1 : configuration.textLength;
}

/** Image tokens of a picture. */
export function imageLengthOf({ grid }: PriorConfiguration): number {
  return grid.rows * grid.columns;
}

/** Positions before the first image token: start of text and the text, or what the condition has instead. */
export function prefixLengthOf(configuration: PriorConfiguration): number {
  const condition = conditionOf(configuration);
  switch (condition.kind) {
    case 'text':
      return condition.start === 'none' ? configuration.textLength : configuration.textLength + 1;
    case 'class':
    case 'features':
      return configuration.textLength;
    case 'encoder':
      return 1;
    default:
      return condition satisfies never;
  }
}

/** The pattern of each layer. The paper's order (Appendix B.1): column at layers 2, 6, 10, …, convolutional last, else row. */
export function layerPatterns({ attention, layers }: PriorConfiguration): readonly AttentionPattern[] {
  if (attention !== 'full' && attention !== 'paper') return attention;
  return Array.from({ length: layers }, (_, index): AttentionPattern => {
    if (attention === 'full') return 'full';
    const layer = index + 1;
    if (layer === layers) return 'convolutional';
    return (layer - 2) % 4 === 0 ? 'column' : 'row';
  });
}
