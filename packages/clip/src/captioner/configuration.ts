import { TesseraeError } from '@tesserae/core';

/** A captioner: reads a picture and foretells the sentence that belongs to it. Plain data: the `config.json` beside its weights. */
export interface CaptionerConfiguration {
  readonly kind: 'captioner';
  /** Width and height of the pictures it reads. */
  readonly imageSize: number;
  /** Pixels that one position sees first, a power of 2 that divides `imageSize`: as many halvings of a convolutional stem. */
  readonly patch: number;
  /** Size of the residual stream; a multiple of `heads`. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Ids of the text tokenizer. One more follows them: it begins and ends every sentence. */
  readonly textVocabularySize: number;
  /** Most text ids, the end counted. */
  readonly textLength: number;
}

/** Checks what the `config.json` of a captioner holds. @throws TesseraeError `model-incompatible`, naming the field. */
export function parseCaptionerConfiguration(source: unknown): CaptionerConfiguration {
  const given = typeof source === 'object' && source !== null ? (source as Readonly<Record<string, unknown>>) : {};
  const invalid = (field: string, remedy: string): never => {
    throw new TesseraeError('model-incompatible', `The captioner's configuration has '${field}' = ${JSON.stringify(given[field]) ?? 'nothing'}.`, {
      remedy,
      details: { field, value: given[field] },
    });
  };
  if (given.kind !== 'captioner') invalid('kind', "Use 'captioner'.");
  const whole = (field: string): number => {
    const value = given[field];
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : invalid(field, `Give '${field}' as a whole number of at least 1.`);
  };
  const [imageSize, patch, width, heads] = [whole('imageSize'), whole('patch'), whole('width'), whole('heads')];
  if (patch < 2 || !Number.isInteger(Math.log2(patch)) || imageSize % patch !== 0) invalid('patch', `Use a power of 2 from 2 on that divides the image size ${imageSize}.`);
  if (width % heads !== 0) invalid('heads', `Use a divisor of the width ${width}.`);
  return { kind: 'captioner', imageSize, patch, width, layers: whole('layers'), heads, textVocabularySize: whole('textVocabularySize'), textLength: whole('textLength') };
}
