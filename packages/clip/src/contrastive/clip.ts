import {
  add,
  argMax,
  boolArray,
  cast,
  createParameterTree,
  divide,
  embeddingTable,
  exp,
  float32Array,
  gather,
  layerNormLayer,
  linear,
  matMul,
  multiply,
  oneHot,
  type ParameterScope,
  type ParameterSpec,
  reduceMean,
  reduceSum,
  reshape,
  sqrt,
  square,
  subtract,
  type Tensor,
  trace,
} from '@tesserae/core';
import { transformerBlocks } from '../blocks.js';
import { type ClipConfiguration, clipPixelDeviation, clipPixelMean, towerBlocks } from './configuration.js';
import { encodeByResNet } from './resnet.js';
import { encodeByTransformer } from './vision-transformer.js';

/** CLIP's first scale of its logits (its §2.5: a temperature of 0.07). */
const firstLogitScale = Math.log(1 / 0.07);

/** Pixels `[batch, 3, size, size]` in [0, 1] → features `[batch, embedding]`, not normalised. */
export function encodePictures(parameters: ParameterScope, configuration: ClipConfiguration, pixels: Tensor): Tensor {
  const { image, embedding, pixelMean = clipPixelMean, pixelDeviation = clipPixelDeviation } = configuration;
  const colour = (values: readonly number[]): Tensor => parameters.trace.literal(float32Array([3, 1, 1], [...values]));
  const normal = divide(subtract(pixels, colour(pixelMean)), colour(pixelDeviation));
  const place = parameters.child('image');
  return image.kind === 'resnet' ? encodeByResNet(place, image, embedding, normal) : encodeByTransformer(place, image, configuration, normal);
}

/** The mean of a stream `[batch, length, width]` over the positions that a mask, float32 `[batch, length]`, keeps; over all without one. */
function meanPosition(stream: Tensor, mask: Tensor | undefined): Tensor {
  if (mask === undefined) return reduceMean(stream, { axes: [1] });
  const [batch = 0, length = 0] = stream.shape;
  return divide(reduceSum(multiply(stream, reshape(mask, [batch, length, 1])), { axes: [1] }), reduceSum(mask, { axes: [1], keepDimensions: true }));
}

/**
 * Text ids int32 `[batch, length]` → features `[batch, embedding]`, not normalised: what the tower says at the largest id, the end of text, or
 * the mean of what it says. `mask`, float32 `[batch, length]`, ones at the ids that count, is for a tower that is read as a mean.
 */
export function encodeTexts(parameters: ParameterScope, configuration: ClipConfiguration, ids: Tensor, mask?: Tensor): Tensor {
  const { text, embedding: features } = configuration;
  const { width, length, vocabularySize } = text;
  const batch = ids.shape[0] ?? 0;
  const place = parameters.child('text');
  const tokens = gather(embeddingTable(place.child('tokens'), { count: vocabularySize, width }), ids);
  const positioned = add(tokens, embeddingTable(place.child('positions'), { count: length, width, deviation: 0.01 }));
  const options = towerBlocks(text, configuration);
  if (configuration.readout === 'mean') {
    const seen = mask === undefined ? {} : { mask: cast(reshape(mask, [batch, 1, 1, length]), 'bool') };
    const stream = transformerBlocks(place.child('blocks'), positioned, { ...options, ...seen });
    return linear(place.child('projection'), meanPosition(stream, mask), { features, bias: false });
  }
  const causal = Uint8Array.from({ length: length * length }, (_, index) => (index % length <= Math.floor(index / length) ? 1 : 0));
  const causalMask = parameters.trace.literal(boolArray([1, 1, length, length], causal));
  const stream = layerNormLayer(place.child('norm'), transformerBlocks(place.child('blocks'), positioned, { ...options, mask: causalMask }));
  const end = oneHot(argMax(cast(ids, 'float32'), 1), length);
  const read = reshape(matMul(reshape(end, [batch, 1, length]), stream), [batch, width]);
  return linear(place.child('projection'), read, { features, bias: false });
}

/** Rows of length 1. */
export const normaliseFeatures = (features: Tensor): Tensor => divide(features, sqrt(reduceSum(square(features), { axes: [-1], keepDimensions: true })));

/** Cosines times exp(logit scale): features `[pictures, embedding]` and `[texts, embedding]` → `[pictures, texts]`. */
export function clipLogits(parameters: ParameterScope, pictures: Tensor, texts: Tensor): Tensor {
  const scale = exp(parameters.parameter('logitScale', [], { kind: 'constant', value: firstLogitScale }, { decay: false }));
  return multiply(matMul(normaliseFeatures(pictures), normaliseFeatures(texts), { transposeB: true }), scale);
}

/** Every weight of a configuration with its shape, also of the published sizes, without making any. */
export function clipParameters(configuration: ClipConfiguration): ReadonlyMap<string, ParameterSpec> {
  const { imageSize, text } = configuration;
  let specs: ReadonlyMap<string, ParameterSpec> = new Map();
  trace('parameters', (scope) => {
    const { root, specs: found } = createParameterTree(scope, 'constant');
    const pictures = encodePictures(root, configuration, scope.input('pixels', [1, 3, imageSize, imageSize]));
    const texts = encodeTexts(root, configuration, scope.input('ids', [1, text.length], 'int32'));
    scope.output('logits', clipLogits(root, pictures, texts));
    specs = found;
  });
  return specs;
}
