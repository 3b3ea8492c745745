import { TesseraeError } from '@tesserae/core';
import { choice, numberList, positiveNumber, truth, wholeNumber } from '../configuration-fields.js';
import type { Quantizer } from '../quantizer.js';

export const vqganPixelRanges = ['minus-one-to-one', 'zero-to-one'] as const;
export type VqganPixelRange = (typeof vqganPixelRanges)[number];

/** The shape of a VQGAN's autoencoder (Esser et al. 2021). Plain data, saved as the part's `config.json`. */
export interface VqganConfiguration {
  readonly kind: 'vqgan';
  /** Width and height it is trained at, in pixels; a multiple of 2^(levels−1). */
  readonly imageSize: number;
  /** Codes in the codebook (n_embed). */
  readonly codebookSize: number;
  /** Length of a codebook vector (embed_dim). */
  readonly codeWidth: number;
  /** Channels between the encoder and the 1×1 convolution before the codebook (z_channels). */
  readonly latentChannels: number;
  /** Channels of a level with multiplier 1 (ch). */
  readonly hidden: number;
  /** Level l has hidden·multipliers[l] channels; between two levels the picture is halved (ch_mult). */
  readonly multipliers: readonly number[];
  /** Residual blocks a level of the encoder; the decoder has one more (num_res_blocks). */
  readonly blocksPerLevel: number;
  /** Levels whose blocks are each followed by attention, counted from the largest pictures (those whose size is in attn_resolutions). */
  readonly attentionLevels: readonly number[];
  readonly quantizer: Quantizer;
  /** There is no encoder: codes become pictures, pictures no codes (min-dalle's detokenizer). */
  readonly decodesOnly?: boolean;
  /** The numbers that black and white are: −1 and 1 (default), or 0 and 1 (dalle-mini, min-dalle). */
  readonly pixelRange?: VqganPixelRange;
  /** Groups of the normalisations. Default 32. */
  readonly normGroups?: number;
  /** ε of the normalisations. Default 1e-6; min-dalle's has 1e-5. */
  readonly normEpsilon?: number;
  /** Convolutions go on at the opposite edge (`DvaeShape.seamless`). Default false. */
  readonly seamless?: boolean;
}

/** Pixels a code is wide and high. */
export function vqganDownsampling({ multipliers }: Pick<VqganConfiguration, 'multipliers'>): number {
  return 2 ** (multipliers.length - 1);
}

/** Checks what a `config.json` holds. @throws TesseraeError `model-incompatible`, naming the field. */
export function parseVqganConfiguration(source: Readonly<Record<string, unknown>>): VqganConfiguration {
  const configuration: VqganConfiguration = {
    kind: 'vqgan',
    imageSize: wholeNumber(source, 'imageSize', 1),
    codebookSize: wholeNumber(source, 'codebookSize', 2),
    codeWidth: wholeNumber(source, 'codeWidth', 1),
    latentChannels: wholeNumber(source, 'latentChannels', 1),
    hidden: wholeNumber(source, 'hidden', 1),
    multipliers: numberList(source, 'multipliers', 1),
    blocksPerLevel: wholeNumber(source, 'blocksPerLevel', 1),
    attentionLevels: numberList(source, 'attentionLevels', 0),
    quantizer: choice(source, 'quantizer', ['nearest', 'nearest-normalised', 'gumbel']),
    ...truth(source, 'decodesOnly'),
    ...(source.pixelRange === undefined ? {} : { pixelRange: choice(source, 'pixelRange', vqganPixelRanges) }),
    ...(source.normGroups === undefined ? {} : { normGroups: wholeNumber(source, 'normGroups', 1) }),
    ...(source.normEpsilon === undefined ? {} : { normEpsilon: positiveNumber(source, 'normEpsilon') }),
    ...truth(source, 'seamless'),
  };
  const { imageSize, hidden, multipliers, attentionLevels, normGroups = defaultNormGroups } = configuration;
  const fail = (problem: string, remedy: string): never => {
    throw new TesseraeError('model-incompatible', problem, { remedy });
  };
  if (multipliers.length === 0) fail("The VQGAN's configuration names no multipliers.", 'Give one for each level.');
  for (const level of attentionLevels)
    if (level >= multipliers.length) fail(`The VQGAN's configuration wants attention at level ${level} of ${multipliers.length}.`, `Levels are 0 to ${multipliers.length - 1}.`);
  const downsampling = vqganDownsampling(configuration);
  if (imageSize % downsampling !== 0) fail(`Pictures of ${imageSize} pixels do not divide into codes of ${downsampling}.`, `Use a multiple of ${downsampling}.`);
  for (const multiplier of multipliers)
    if ((hidden * multiplier) % normGroups !== 0) fail(`${hidden * multiplier} channels do not divide into ${normGroups} groups.`, 'Use another hidden or normGroups.');
  return configuration;
}

export const defaultNormGroups = 32;
export const defaultNormEpsilon = 1e-6;
