import { type Grid, TesseraeError } from '@tesserae/core';

/** How image tokens look at earlier image tokens in one layer (DALL-E paper, Figure 11; `attention-patterns.ts`). */
export type AttentionPattern = 'full' | 'row' | 'column' | 'convolutional';

const patternNames: Readonly<Record<AttentionPattern, true>> = { full: true, row: true, column: true, convolutional: true };

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
  /** Side of the convolutional pattern, odd. Default: 11 (the paper's) or what the smaller side of the grid allows. */
  readonly convolutionKernel?: number;
}

function invalid(field: string, value: unknown, remedy: string): never {
  throw new TesseraeError('invalid-argument', `The prior's configuration has '${field}' = ${JSON.stringify(value) ?? 'nothing'}.`, { remedy, details: { field, value } });
}

function wholeNumber(value: unknown, field: string): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : invalid(field, value, `Give '${field}' as a whole number of at least 1.`);
}

function recordOf(value: unknown, field: string): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : invalid(field, value, `Give '${field}' as an object.`);
}

function isPattern(value: unknown): value is AttentionPattern {
  return typeof value === 'string' && Object.hasOwn(patternNames, value);
}

function attentionOf(value: unknown, layers: number): PriorConfiguration['attention'] {
  if (value === 'full' || value === 'paper') return value;
  if (!Array.isArray(value)) return invalid('attention', value, "Use 'full', 'paper', or a list with one pattern a layer.");
  if (value.length !== layers) return invalid('attention', value, `List ${layers} patterns, one a layer.`);
  return value.map((pattern: unknown, layer) => (isPattern(pattern) ? pattern : invalid(`attention[${layer}]`, pattern, `Use ${Object.keys(patternNames).join(', ')}.`)));
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
  if (width % heads !== 0) invalid('heads', heads, `Use a divisor of the width ${width}.`);
  const grid = recordOf(given.grid, 'grid');
  const kernel = given.convolutionKernel === undefined ? undefined : wholeNumber(given.convolutionKernel, 'convolutionKernel');
  if (kernel !== undefined && kernel % 2 === 0) invalid('convolutionKernel', kernel, 'Use an odd number.');
  return {
    kind: 'prior',
    width,
    layers,
    heads,
    textVocabularySize: wholeNumber(given.textVocabularySize, 'textVocabularySize'),
    textLength: wholeNumber(given.textLength, 'textLength'),
    grid: { rows: wholeNumber(grid.rows, 'grid.rows'), columns: wholeNumber(grid.columns, 'grid.columns') },
    codebookSize: wholeNumber(given.codebookSize, 'codebookSize'),
    attention: attentionOf(given.attention, layers),
    ...(kernel === undefined ? {} : { convolutionKernel: kernel }),
  };
}

/** Image tokens of a picture. */
export function imageLengthOf({ grid }: PriorConfiguration): number {
  return grid.rows * grid.columns;
}

/** Positions before the first image token: start of text, then the text. */
export function prefixLengthOf({ textLength }: PriorConfiguration): number {
  return textLength + 1;
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

/**
 * The text as the model reads it: ids, then each free position's own padding id `textVocabularySize + position`.
 * @throws TesseraeError `prompt-invalid` when it is too long or has an id outside the vocabulary.
 */
export function padText(configuration: PriorConfiguration, ids: ArrayLike<number>): Int32Array {
  const { textLength, textVocabularySize } = configuration;
  if (ids.length > textLength) {
    throw new TesseraeError('prompt-invalid', `The text is ${ids.length} tokens long; this prior reads ${textLength}.`, {
      remedy: 'Shorten it.',
      details: { length: ids.length, textLength },
    });
  }
  return Int32Array.from({ length: textLength }, (_, position) => {
    const id = ids[position];
    if (id === undefined) return textVocabularySize + position;
    if (!Number.isInteger(id) || id < 0 || id >= textVocabularySize) {
      throw new TesseraeError('prompt-invalid', `The text has the token ${id} at position ${position}; this prior knows 0 to ${textVocabularySize - 1}.`, {
        remedy: 'Use the tokenizer the prior was trained with.',
        details: { id, position },
      });
    }
    return id;
  });
}
