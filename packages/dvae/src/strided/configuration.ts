import { TesseraeError } from '@tesserae/core';
import { truth, wholeNumber } from '../configuration-fields.js';

/**
 * The shape of DALLE-pytorch's `DiscreteVAE`: strided convolutions down, transposed ones up, a codebook of its own between. Plain
 * data, saved as the part's `config.json`.
 */
export interface StridedDvaeConfiguration {
  readonly kind: 'strided-dvae';
  /** Width and height it is trained at, in pixels; a multiple of 2^layers. */
  readonly imageSize: number;
  /** 3 for RGB, 4 with alpha. */
  readonly channels: 3 | 4;
  /** Codes in the codebook (num_tokens). */
  readonly codebookSize: number;
  /** Length of a codebook vector (codebook_dim). */
  readonly codeWidth: number;
  /** Strided convolutions, each of which halves the picture (num_layers). */
  readonly layers: number;
  /** Residual blocks behind them, and as many before the decoder's first (num_resnet_blocks). */
  readonly residualBlocks: number;
  /** Channels of every hidden layer (hidden_dim). */
  readonly hidden: number;
  /** Convolutions go on at the opposite edge (`DvaeShape.seamless`). Default false. */
  readonly seamless?: boolean;
}

/** Pixels a code is wide and high. */
export function stridedDownsampling({ layers }: Pick<StridedDvaeConfiguration, 'layers'>): number {
  return 2 ** layers;
}

/** Checks what a `config.json` holds. @throws TesseraeError `model-incompatible`, naming the field. */
export function parseStridedDvaeConfiguration(source: Readonly<Record<string, unknown>>): StridedDvaeConfiguration {
  const channels = wholeNumber(source, 'channels', 3);
  const fail = (problem: string, remedy: string): never => {
    throw new TesseraeError('model-incompatible', problem, { remedy });
  };
  const configuration: StridedDvaeConfiguration = {
    kind: 'strided-dvae',
    imageSize: wholeNumber(source, 'imageSize', 1),
    channels: channels === 3 || channels === 4 ? channels : fail(`The configuration says channels: ${channels}.`, 'Use 3 for RGB or 4 for RGB with alpha.'),
    codebookSize: wholeNumber(source, 'codebookSize', 2),
    codeWidth: wholeNumber(source, 'codeWidth', 1),
    layers: wholeNumber(source, 'layers', 1),
    residualBlocks: wholeNumber(source, 'residualBlocks', 0),
    hidden: wholeNumber(source, 'hidden', 1),
    ...truth(source, 'seamless'),
  };
  const downsampling = stridedDownsampling(configuration);
  if (configuration.imageSize % downsampling !== 0)
    fail(`Pictures of ${configuration.imageSize} pixels do not divide into codes of ${downsampling}.`, `Use a multiple of ${downsampling}.`);
  return configuration;
}
