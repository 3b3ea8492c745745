import { add, conv2dLayer, convTranspose2d, embeddingTable, gather, matMul, type ParameterScope, relu, reshape, type Tensor, transpose } from '@tesserae/core';
import type { StridedDvaeConfiguration } from './configuration.js';

/** Two 3×3 convolutions and a 1×1, with ReLUs between, added to what comes in. Below `scope`: `convolutions.0` to `.2`. */
function residualBlock(scope: ParameterScope, x: Tensor, { hidden, seamless = false }: StridedDvaeConfiguration): Tensor {
  const layer = (index: number, input: Tensor, filterSize: number): Tensor => conv2dLayer(scope.child(`convolutions.${index}`), input, { channels: hidden, filterSize, seamless });
  return add(x, layer(2, relu(layer(1, relu(layer(0, x, 3)), 3)), 1));
}

/** A transposed convolution that doubles the picture; `weight` is [in, out, 4, 4], as PyTorch stores it. */
function upsample(scope: ParameterScope, x: Tensor, { hidden: channels, seamless = false }: StridedDvaeConfiguration): Tensor {
  const inputs = x.shape[1] ?? 0;
  const weight = scope.parameter('weight', [inputs, channels, 4, 4], { kind: 'normal', deviation: 1 / Math.sqrt(Math.max(1, inputs * 4)) });
  const bias = reshape(scope.parameter('bias', [channels], { kind: 'zeros' }), [channels, 1, 1]);
  return add(convTranspose2d(x, weight, { stride: 2, padding: 1, seamless }), bias);
}

/**
 * Pixels → code logits: x `[batch, channels, height, width]`, normalised (`normalisePixels`) → `[batch, codebook, height/f, width/f]`. Paths
 * below `scope`, and DALLE-pytorch's with L layers and R blocks: `downsample.l` (encoder.l.0), `blocks.r` (encoder.{L+r}, whose net.0, net.2,
 * net.4 are `convolutions.0` to `.2`), `output` (encoder.{L+R}).
 */
export function encodeStrided(scope: ParameterScope, x: Tensor, configuration: StridedDvaeConfiguration): Tensor {
  const { layers, residualBlocks, hidden, codebookSize, seamless = false } = configuration;
  let h = x;
  for (let layer = 0; layer < layers; layer += 1)
    h = relu(conv2dLayer(scope.child(`downsample.${layer}`), h, { channels: hidden, filterSize: 4, stride: 2, padding: 1, seamless }));
  for (let block = 0; block < residualBlocks; block += 1) h = residualBlock(scope.child(`blocks.${block}`), h, configuration);
  return conv2dLayer(scope.child('output'), h, { channels: codebookSize, filterSize: 1 });
}

/** The codebook [codebookSize, codeWidth]: `weight` below `scope` (codebook.weight). */
export function stridedCodebook(scope: ParameterScope, { codebookSize, codeWidth }: StridedDvaeConfiguration): Tensor {
  // PyTorch's deviation of embeddings.
  return embeddingTable(scope, { count: codebookSize, width: codeWidth, deviation: 1 });
}

/** A one-hot grid, or its relaxation, `[batch, codebook, rows, columns]` → its codebook vectors `[batch, codeWidth, rows, columns]`. */
export function embedRelaxed(codebook: Tensor, relaxed: Tensor): Tensor {
  return transpose(matMul(transpose(relaxed, [0, 2, 3, 1]), codebook), [0, 3, 1, 2]);
}

/** Codes int32 `[batch, rows, columns]` → the same. */
export function embedCodes(codebook: Tensor, codes: Tensor): Tensor {
  return transpose(gather(codebook, codes), [0, 3, 1, 2]);
}

/**
 * Codebook vectors → normalised pixels `[batch, channels, height, width]`. Paths: `input` (decoder.0, only where there are blocks), `blocks.r`
 * (decoder.{1+r}), `upsample.l` (decoder.{R+1+l}.0, or decoder.l.0 without blocks), `output` (the last).
 */
export function decodeStrided(scope: ParameterScope, vectors: Tensor, configuration: StridedDvaeConfiguration): Tensor {
  const { layers, residualBlocks, hidden, channels } = configuration;
  let h = residualBlocks > 0 ? conv2dLayer(scope.child('input'), vectors, { channels: hidden, filterSize: 1 }) : vectors;
  for (let block = 0; block < residualBlocks; block += 1) h = residualBlock(scope.child(`blocks.${block}`), h, configuration);
  for (let layer = 0; layer < layers; layer += 1) h = relu(upsample(scope.child(`upsample.${layer}`), h, configuration));
  return conv2dLayer(scope.child('output'), h, { channels, filterSize: 1 });
}
