import { TesseraeError } from '@tesserae/core';
import type { BlocksOptions } from '../blocks.js';

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

/** Where the blocks of both towers differ from CLIP's own. */
export interface ClipBlock {
  /** Default `gelu-quick`, x·σ(1.702 x) on 4 × width. `geglu`: 8 × width, of which one half, through GELU, gates the other. */
  readonly feedForward?: 'gelu-quick' | 'geglu';
  /** Channels of a head. Default: width / heads. */
  readonly headSize?: number;
  /** Whether what a block adds is scaled by channel, with a learned scale. Default false. */
  readonly layerScale?: boolean;
  /** Default: all. */
  readonly biases?: { readonly attentionInput?: boolean };
}

/** A contrastive pair of towers, OpenAI's CLIP or a relative of it. Plain data: the `config.json` beside its weights. */
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
    /** Rows of the embedding table; where the end of a text is read, start and end are the last two. */
    readonly vocabularySize: number;
  };
  /**
   * What a tower says is read `at-token` (CLIP's way and the default): a class token before the patches, and the end of a text whose positions
   * look back only, with norms around the blocks; or it is the `mean` of all positions, which all look everywhere, without these norms
   * (DALLE-pytorch's CLIP).
   */
  readonly readout?: 'at-token' | 'mean';
  readonly block?: ClipBlock;
  /** Mean and deviation of each colour that pixels are normalised by. Default: CLIP's own, of its training pictures. */
  readonly pixelMean?: readonly [number, number, number];
  readonly pixelDeviation?: readonly [number, number, number];
}

/** The blocks of a tower of either kind. */
export function towerBlocks(tower: Pick<BlocksOptions, 'width' | 'heads' | 'layers'>, { block = {} }: Pick<ClipConfiguration, 'block'>): BlocksOptions {
  const { width, heads, layers } = tower;
  const { feedForward = 'gelu-quick', headSize = width / heads, layerScale = false, biases = {} } = block;
  return { width, heads, headSize, layers, activation: feedForward === 'geglu' ? 'geglu' : 'quick', layerScale, inputBias: biases.attentionInput ?? true };
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

function parseBlock(value: unknown): ClipBlock | undefined {
  if (value === undefined) return undefined;
  const { feedForward, headSize, layerScale, biases } = recordOf(value, 'block');
  if (feedForward !== undefined && feedForward !== 'gelu-quick' && feedForward !== 'geglu') invalid('block.feedForward', feedForward, "Use 'gelu-quick' or 'geglu'.");
  if (layerScale !== undefined && typeof layerScale !== 'boolean') invalid('block.layerScale', layerScale, 'Use true or false.');
  const attentionInput = biases === undefined ? undefined : recordOf(biases, 'block.biases').attentionInput;
  if (attentionInput !== undefined && typeof attentionInput !== 'boolean') invalid('block.biases.attentionInput', attentionInput, 'Use true or false.');
  return {
    ...(feedForward === undefined ? {} : { feedForward }),
    ...(headSize === undefined ? {} : { headSize: whole({ headSize }, 'headSize', 'block.headSize') }),
    ...(layerScale === undefined ? {} : { layerScale }),
    ...(attentionInput === undefined ? {} : { biases: { attentionInput } }),
  };
}

function checkHeads(field: string, heads: number, width: number, block: ClipBlock | undefined): void {
  if (block?.headSize === undefined && width % heads !== 0) invalid(field, heads, `Use a divisor of the width ${width}, or give 'block.headSize'.`);
}

function parseImage(source: Fields, imageSize: number, block: ClipBlock | undefined): ClipConfiguration['image'] {
  const [width, heads] = [whole(source, 'width', 'image.width'), whole(source, 'heads', 'image.heads')];
  switch (source.kind) {
    case 'vision-transformer': {
      const [layers, patch] = [whole(source, 'layers', 'image.layers'), whole(source, 'patch', 'image.patch')];
      if (imageSize % patch !== 0) invalid('image.patch', patch, `Use a divisor of the image size ${imageSize}.`);
      checkHeads('image.heads', heads, width, block);
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
  const block = parseBlock(given.block);
  checkHeads('text.heads', heads, width, block);
  const image = parseImage(recordOf(given.image, 'image'), imageSize, block);
  const { readout } = given;
  if (readout !== undefined && readout !== 'at-token' && readout !== 'mean') invalid('readout', readout, "Use 'at-token' or 'mean'.");
  if (readout === 'mean' && image.kind === 'resnet') invalid('readout', readout, "A ResNet is read by attention: leave 'readout' out.");
  const [pixelMean, pixelDeviation] = [colours(given.pixelMean, 'pixelMean'), colours(given.pixelDeviation, 'pixelDeviation')];
  return {
    kind: 'clip',
    embedding: whole(given, 'embedding', 'embedding'),
    imageSize,
    image,
    text: {
      width,
      layers: whole(text, 'layers', 'text.layers'),
      heads,
      length: whole(text, 'length', 'text.length'),
      vocabularySize: whole(text, 'vocabularySize', 'text.vocabularySize'),
    },
    ...(readout === undefined ? {} : { readout }),
    ...(block === undefined ? {} : { block }),
    ...(pixelMean === undefined ? {} : { pixelMean }),
    ...(pixelDeviation === undefined ? {} : { pixelDeviation }),
  };
}
