import { TesseraeError } from '@tesserae/core';

/** CLIP's vision transformer: pictures cut into patches, read out at a class token. */
export interface VisionTransformer {
  readonly kind: 'vision-transformer';
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Width and height of a patch in pixels; divides `imageSize`. */
  readonly patch: number;
}

/** CLIP's ResNet: a stem of three convolutions, blur pooling before strides, read out by attention. */
export interface ClipResNet {
  readonly kind: 'resnet';
  /** Channels after the stem. */
  readonly width: number;
  /** Blocks of each of the four stages. */
  readonly blocks: readonly [number, number, number, number];
  /** Heads of the attention that reads out. */
  readonly heads: number;
}

/** A contrastive pair of towers, OpenAI's CLIP. Plain data: the `config.json` beside its weights. */
export interface ClipConfiguration {
  readonly kind: 'clip';
  /** Dimensions of the common space. */
  readonly embedding: number;
  /** Width and height of the pictures it reads. */
  readonly imageSize: number;
  readonly image: VisionTransformer | ClipResNet;
  readonly text: {
    readonly width: number;
    readonly layers: number;
    readonly heads: number;
    /** Ids of one text, start and end counted. */
    readonly length: number;
    /** Rows of the embedding table, start and end of text being the last two. */
    readonly vocabularySize: number;
  };
  /** Mean and deviation of each colour that pixels are normalised by. Default: CLIP's own, of its training pictures. */
  readonly pixelMean?: readonly [number, number, number];
  readonly pixelDeviation?: readonly [number, number, number];
}

/** openai/CLIP's preprocessing. */
export const clipPixelMean = [0.48145466, 0.4578275, 0.40821073] as const;
export const clipPixelDeviation = [0.26862954, 0.26130258, 0.27577711] as const;

type Fields = Readonly<Record<string, unknown>>;

function invalid(field: string, value: unknown, remedy: string): never {
  throw new TesseraeError('model-incompatible', `The CLIP configuration has '${field}' = ${JSON.stringify(value) ?? 'nothing'}.`, { remedy, details: { field, value } });
}

const recordOf = (value: unknown, field: string): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : invalid(field, value, `Give '${field}' as an object.`);

function whole(fields: Fields, name: string, path: string): number {
  const value = fields[name];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : invalid(path, value, 'Give a whole number of at least 1.');
}

function colours(value: unknown, field: string): readonly [number, number, number] | undefined {
  if (value === undefined) return undefined;
  const isNumber = (item: unknown): item is number => typeof item === 'number' && Number.isFinite(item);
  if (!Array.isArray(value) || value.length !== 3 || !value.every(isNumber)) return invalid(field, value, 'Give three numbers: red, green, blue.');
  const [red = 0, green = 0, blue = 0] = value as number[];
  return [red, green, blue];
}

function parseImage(source: Fields, imageSize: number): ClipConfiguration['image'] {
  const [width, heads] = [whole(source, 'width', 'image.width'), whole(source, 'heads', 'image.heads')];
  switch (source.kind) {
    case 'vision-transformer': {
      const [layers, patch] = [whole(source, 'layers', 'image.layers'), whole(source, 'patch', 'image.patch')];
      if (imageSize % patch !== 0) invalid('image.patch', patch, `Use a divisor of the image size ${imageSize}.`);
      if (width % heads !== 0) invalid('image.heads', heads, `Use a divisor of the width ${width}.`);
      return { kind: 'vision-transformer', width, layers, heads, patch };
    }
    case 'resnet': {
      const counts = Array.isArray(source.blocks) ? source.blocks : [];
      const isCount = (item: unknown): item is number => typeof item === 'number' && Number.isSafeInteger(item) && item >= 1;
      if (counts.length !== 4 || !counts.every(isCount)) invalid('image.blocks', source.blocks, 'Give the blocks of four stages.');
      const [first = 1, second = 1, third = 1, fourth = 1] = counts as number[];
      if (imageSize % 32 !== 0) invalid('imageSize', imageSize, 'A ResNet halves five times: use a multiple of 32.');
      if (width % 2 !== 0) invalid('image.width', width, 'Use an even number: the stem begins with half of it.');
      if ((32 * width) % heads !== 0) invalid('image.heads', heads, `Use a divisor of ${32 * width}, the channels that attention reads.`);
      return { kind: 'resnet', width, blocks: [first, second, third, fourth], heads };
    }
    default:
      return invalid('image.kind', source.kind, "Use 'vision-transformer' or 'resnet'.");
  }
}

/** Checks what the `config.json` of a CLIP holds. @throws TesseraeError `model-incompatible`, naming the field. */
export function parseClipConfiguration(source: unknown): ClipConfiguration {
  const given = recordOf(source, 'configuration');
  if (given.kind !== 'clip') invalid('kind', given.kind, "Use 'clip'.");
  const imageSize = whole(given, 'imageSize', 'imageSize');
  const text = recordOf(given.text, 'text');
  const [width, heads] = [whole(text, 'width', 'text.width'), whole(text, 'heads', 'text.heads')];
  if (width % heads !== 0) invalid('text.heads', heads, `Use a divisor of the width ${width}.`);
  const [pixelMean, pixelDeviation] = [colours(given.pixelMean, 'pixelMean'), colours(given.pixelDeviation, 'pixelDeviation')];
  return {
    kind: 'clip',
    embedding: whole(given, 'embedding', 'embedding'),
    imageSize,
    image: parseImage(recordOf(given.image, 'image'), imageSize),
    text: {
      width,
      layers: whole(text, 'layers', 'text.layers'),
      heads,
      length: whole(text, 'length', 'text.length'),
      vocabularySize: whole(text, 'vocabularySize', 'text.vocabularySize'),
    },
    ...(pixelMean === undefined ? {} : { pixelMean }),
    ...(pixelDeviation === undefined ? {} : { pixelDeviation }),
  };
}
