import { TesseraeError } from '@tesserae/core';
import { type Fields, positiveNumber, truth, wholeNumber } from './configuration-fields.js';

/** The paper's encoder and decoder, whatever lies between them. */
export interface DvaeShape {
  /** Width and height it is trained at, in pixels; a multiple of the downsampling 2^(groups−1). */
  readonly imageSize: number;
  /** Codes in the codebook (K; 8192 in the paper). */
  readonly codebookSize: number;
  /** Channels of the first group; group g has hidden·2^g (n_hid; 256 in the paper). */
  readonly hidden: number;
  /** Groups of residual blocks, with pooling or upsampling between them (4 in the paper: 8× smaller). */
  readonly groups: number;
  /** Residual blocks a group (2 in the paper). */
  readonly blocksPerGroup: number;
  /** Channels behind the decoder's first 1×1 convolution, which is the codebook (n_init; 128 in the paper). */
  readonly decoderInput: number;
  /**
   * What the output of a residual block is multiplied with. Default: 1/layers², 1/64 for the published 4 groups of 2 blocks.
   * All that the decoder draws finer than a code comes from its residual branches: with the published constant they take
   * thousands of updates to grow, so short trainings want more.
   */
  readonly residualGain?: number;
  /**
   * Convolutions go on at the opposite edge, in training and always: pictures are taken as repeated in all directions. Default
   * false, as in the paper. For textures; what a plain model makes of edges can also be decoded seamlessly (`DecodeOptions`).
   */
  readonly seamless?: boolean;
}

/** A discrete VAE. Plain data, saved as the part's `config.json`. */
export interface DvaeConfiguration extends DvaeShape {
  readonly kind: 'dvae';
}

/** The published size: 53,786,240 and 43,829,766 parameters. */
export const paperDvae: DvaeConfiguration = { kind: 'dvae', imageSize: 256, codebookSize: 8192, hidden: 256, groups: 4, blocksPerGroup: 2, decoderInput: 128 };

/** Pixels a code is wide and high. */
export function downsamplingOf({ groups }: Pick<DvaeShape, 'groups'>): number {
  return 2 ** (groups - 1);
}

/** Checks what a `config.json` holds. @throws TesseraeError `model-incompatible`, naming the field. */
export function parseDvaeConfiguration(source: unknown): DvaeConfiguration {
  if (typeof source !== 'object' || source === null || (source as { kind?: unknown }).kind !== 'dvae') {
    throw new TesseraeError('model-incompatible', 'This is not the configuration of a discrete VAE.', { remedy: "Its field 'kind' must be 'dvae'." });
  }
  return { kind: 'dvae', ...parseDvaeShape(source as Fields) };
}

/** The same for what all that have the paper's encoder and decoder share. */
export function parseDvaeShape(fields: Fields): DvaeShape {
  const configuration: DvaeShape = {
    imageSize: wholeNumber(fields, 'imageSize', 1),
    codebookSize: wholeNumber(fields, 'codebookSize', 2),
    hidden: wholeNumber(fields, 'hidden', 4),
    groups: wholeNumber(fields, 'groups', 1),
    blocksPerGroup: wholeNumber(fields, 'blocksPerGroup', 1),
    decoderInput: wholeNumber(fields, 'decoderInput', 1),
    ...(fields.residualGain === undefined ? {} : { residualGain: positiveNumber(fields, 'residualGain') }),
    ...truth(fields, 'seamless'),
  };
  if (configuration.imageSize % downsamplingOf(configuration) !== 0) {
    throw new TesseraeError('model-incompatible', `Pictures of ${configuration.imageSize} pixels do not divide into codes of ${downsamplingOf(configuration)}.`, {
      remedy: `Use a multiple of ${downsamplingOf(configuration)}.`,
    });
  }
  if (configuration.hidden % 4 !== 0) {
    throw new TesseraeError('model-incompatible', `hidden: ${configuration.hidden} does not divide by 4, as the bottlenecks of the blocks need.`, {
      remedy: 'Use a multiple of 4.',
    });
  }
  return configuration;
}
