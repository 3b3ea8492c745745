import {
  add,
  argMax,
  broadcastTo,
  concat,
  createParameterTree,
  float32Array,
  type Graph,
  type Grid,
  maximum,
  minimum,
  multiply,
  type ParameterScope,
  type ParameterSpec,
  sliceAxis,
  type Tensor,
  TesseraeError,
  type TraceScope,
  trace,
} from '@tesserae/core';
import { type DvaeConfiguration, downsamplingOf, parseDvaeConfiguration } from './configuration.js';
import { decodeCodes } from './decoder.js';
import { encodeToCodes } from './encoder.js';
import { mapPixels, pixelsFromMaps } from './likelihood.js';
import { latentsOf, latentVectors, nearestCodes, vectorsOf } from './quantizer.js';
import { dvaeReach, type Reach, stridedReach } from './reach.js';
import { decodeStrided, embedCodes, encodeStrided, stridedCodebook } from './strided/autoencoder.js';
import { parseStridedDvaeConfiguration, type StridedDvaeConfiguration, stridedDownsampling } from './strided/configuration.js';
import { normalisePixels, pixelsFromNormalised } from './strided/loss.js';
import { decodeVqVae, encodeVqVae } from './vq-vae/autoencoder.js';
import { parseVqVaeConfiguration, type VqVaeConfiguration, vqVaeQuantizer } from './vq-vae/configuration.js';
import { parseVqganConfiguration, type VqganConfiguration, vqganDownsampling } from './vqgan/configuration.js';
import { decodeLatents } from './vqgan/decoder.js';
import { encodeLatents, vqganPixels } from './vqgan/encoder.js';

/** Every kind of image tokenizer of this package, as the part's `config.json` says it. */
export type ImageTokenizerConfiguration = DvaeConfiguration | VqVaeConfiguration | StridedDvaeConfiguration | VqganConfiguration;

/** What a tokenizer needs to know of an architecture: the way from pixels to codes and back. */
export interface ImageTokenizerArchitecture {
  /** Pixels a code is wide and high. */
  readonly downsampling: number;
  /** How far its convolutions look; absent where norms or attention look at the whole picture. */
  readonly reach?: Reach;
  /** Pixels `[batch, 3, height, width]` in [0, 1] → codes int32 `[batch, rows, columns]`, without noise. */
  codes(root: ParameterScope, pixels: Tensor): Tensor;
  /** Pixels → what is compared with the codebook, `[batch, rows, columns, width]`. Only where the nearest codebook vector is taken. */
  latents?(root: ParameterScope, pixels: Tensor): Tensor;
  /** Codes int32 `[batch, rows, columns]` → pixels `[batch, 3, height, width]` in [0, 1]. */
  pixels(root: ParameterScope, codes: Tensor): Tensor;
}

export const clamp = (x: Tensor): Tensor => minimum(maximum(x, 0), 1);

/** Opaque alpha behind RGB, for models that read four channels. */
export function withAlpha(pixels: Tensor, channels: 3 | 4, root: ParameterScope): Tensor {
  if (channels === 3) return pixels;
  const [batch = 0, , height = 0, width = 0] = pixels.shape;
  return concat([pixels, broadcastTo(root.trace.literal(float32Array([1, 1, 1, 1], [1])), [batch, 1, height, width])], 1);
}

export function architectureOf(configuration: ImageTokenizerConfiguration): ImageTokenizerArchitecture {
  switch (configuration.kind) {
    case 'dvae':
      return {
        downsampling: downsamplingOf(configuration),
        reach: dvaeReach(configuration),
        codes: (root, pixels) => encodeToCodes(root.child('encoder'), mapPixels(pixels), configuration),
        pixels: (root, codes) => pixelsFromMaps(decodeCodes(root.child('decoder'), codes, configuration)),
      };
    case 'vq-vae': {
      const quantizer = vqVaeQuantizer(configuration);
      const latents = (root: ParameterScope, pixels: Tensor): Tensor => encodeVqVae(root, pixels, configuration);
      return {
        downsampling: downsamplingOf(configuration),
        reach: dvaeReach(configuration),
        latents,
        codes: (root, pixels) => nearestCodes(root.child('quantizer'), latents(root, pixels), quantizer),
        pixels: (root, codes) => pixelsFromMaps(decodeVqVae(root, vectorsOf(root.child('quantizer'), codes, quantizer), configuration)),
      };
    }
    case 'strided-dvae':
      return {
        downsampling: stridedDownsampling(configuration),
        reach: stridedReach(configuration),
        codes: (root, pixels) => argMax(encodeStrided(root.child('encoder'), normalisePixels(withAlpha(pixels, configuration.channels, root), root), configuration), 1),
        pixels: (root, codes) => {
          const decoded = decodeStrided(root.child('decoder'), embedCodes(stridedCodebook(root.child('codebook'), configuration), codes), configuration);
          return clamp(sliceAxis(pixelsFromNormalised(decoded, root), 1, 0, 3));
        },
      };
    case 'vqgan': {
      const latents = (root: ParameterScope, pixels: Tensor): Tensor =>
        latentVectors(root.child('quantizer'), encodeLatents(root.child('encoder'), vqganPixels(pixels, configuration), configuration), configuration);
      return {
        downsampling: vqganDownsampling(configuration),
        ...(configuration.quantizer === 'gumbel' ? {} : { latents }),
        codes: (root, pixels) => nearestCodes(root.child('quantizer'), latents(root, pixels), configuration),
        pixels: (root, codes) => {
          const quantizer = root.child('quantizer');
          const decoded = decodeLatents(root.child('decoder'), latentsOf(quantizer, vectorsOf(quantizer, codes, configuration), configuration), configuration);
          return clamp(configuration.pixelRange === 'zero-to-one' ? decoded : add(multiply(decoded, 0.5), 0.5));
        },
      };
    }
    default:
      return configuration satisfies never;
  }
}

/** Codes of pictures as a graph: `pixels` [batch, 3, height, width] in [0, 1] → `codes` int32 [batch, rows, columns]. */
export function encodingGraph(configuration: ImageTokenizerConfiguration, batch: number, { rows, columns }: Grid): Graph {
  const { downsampling, codes } = architectureOf(configuration);
  return trace(`encode ${batch}×${rows}×${columns}`, (scope) => {
    const pixels = scope.input('pixels', [batch, 3, rows * downsampling, columns * downsampling]);
    scope.output('codes', codes(createParameterTree(scope, 'constant').root, pixels));
  });
}

/** Pictures of codes as a graph: `codes` int32 [batch, rows, columns] → `pixels` [batch, 3, height, width] in [0, 1]. */
export function decodingGraph(configuration: ImageTokenizerConfiguration, batch: number, { rows, columns }: Grid): Graph {
  const { pixels } = architectureOf(configuration);
  return trace(`decode ${batch}×${rows}×${columns}`, (scope) => {
    const codes = scope.input('codes', [batch, rows, columns], 'int32');
    scope.output('pixels', pixels(createParameterTree(scope, 'constant').root, codes));
  });
}

/** The grid of codes of the pictures that a tokenizer was trained on. */
export function gridOf(configuration: ImageTokenizerConfiguration): Grid {
  const side = configuration.imageSize / architectureOf(configuration).downsampling;
  return { rows: side, columns: side };
}

/** Whether a tokenizer has an encoder; all but detokenizers do. */
export function canEncode(configuration: ImageTokenizerConfiguration): boolean {
  return configuration.kind !== 'vqgan' || configuration.decodesOnly !== true;
}

/** The weights that a part of an architecture reads, by path, without making any. */
function parametersOf(read: (root: ParameterScope, scope: TraceScope) => void): ReadonlyMap<string, ParameterSpec> {
  let specs: ReadonlyMap<string, ParameterSpec> = new Map();
  trace('parameters', (scope) => {
    const tree = createParameterTree(scope, 'constant');
    read(tree.root, scope);
    specs = tree.specs;
  });
  return specs;
}

/** What decides the codes of a picture: weights beyond these (a decoder refined later) leave codes as they are. */
export function encodingParameters(configuration: ImageTokenizerConfiguration): ReadonlyMap<string, ParameterSpec> {
  const { downsampling, codes } = architectureOf(configuration);
  return parametersOf((root, scope) => scope.output('codes', codes(root, scope.input('pixels', [1, 3, downsampling, downsampling]))));
}

/** Every weight of a configuration with its shape, also of the published sizes. Paths begin with `encoder`, `decoder`, …. */
export function imageTokenizerParameters(configuration: ImageTokenizerConfiguration): ReadonlyMap<string, ParameterSpec> {
  const { pixels } = architectureOf(configuration);
  const encoding = canEncode(configuration) ? encodingParameters(configuration) : [];
  const decoding = parametersOf((root, scope) => scope.output('pixels', pixels(root, scope.input('codes', [1, 1, 1], 'int32'))));
  return new Map([...encoding, ...decoding]);
}

/** Checks what the `config.json` of an image tokenizer holds. @throws TesseraeError `model-incompatible`, naming the field. */
export function parseImageTokenizerConfiguration(source: unknown): ImageTokenizerConfiguration {
  const fields = typeof source === 'object' && source !== null ? (source as Readonly<Record<string, unknown>>) : {};
  switch (fields.kind) {
    case 'dvae':
      return parseDvaeConfiguration(fields);
    case 'vq-vae':
      return parseVqVaeConfiguration(fields);
    case 'strided-dvae':
      return parseStridedDvaeConfiguration(fields);
    case 'vqgan':
      return parseVqganConfiguration(fields);
    default:
      throw new TesseraeError('model-incompatible', `This image tokenizer is of the kind ${JSON.stringify(fields.kind)}, which is not known here.`, {
        remedy: "Its config.json must say the kind 'dvae', 'vq-vae', 'strided-dvae' or 'vqgan'.",
        details: { kind: fields.kind },
      });
  }
}
