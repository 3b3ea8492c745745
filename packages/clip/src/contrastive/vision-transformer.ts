import { add, broadcastTo, concat, conv2dLayer, embeddingTable, layerNormLayer, linear, type ParameterScope, reshape, sliceAxis, type Tensor, transpose } from '@tesserae/core';
import { transformerBlocks } from '../blocks.js';
import type { VisionTransformer } from './configuration.js';

/** Normalised pixels `[batch, 3, size, size]` → features `[batch, embedding]`, not normalised. */
export function encodeByTransformer(parameters: ParameterScope, tower: VisionTransformer, embedding: number, pixels: Tensor): Tensor {
  const { width, patch, layers, heads } = tower;
  const batch = pixels.shape[0] ?? 0;
  const patches = conv2dLayer(parameters.child('patches'), pixels, { channels: width, filterSize: patch, stride: patch, padding: 0, bias: false });
  const count = (patches.shape[2] ?? 0) * (patches.shape[3] ?? 0);
  const classToken = broadcastTo(reshape(embeddingTable(parameters.child('class'), { count: 1, width }), [1, 1, width]), [batch, 1, width]);
  const tokens = concat([classToken, transpose(reshape(patches, [batch, width, count]), [0, 2, 1])], 1);
  const positioned = add(tokens, embeddingTable(parameters.child('positions'), { count: count + 1, width }));
  const stream = transformerBlocks(parameters.child('blocks'), layerNormLayer(parameters.child('normBefore'), positioned), { width, heads, layers, activation: 'quick' });
  const read = reshape(sliceAxis(stream, 1, 0, 1), [batch, width]);
  return linear(parameters.child('projection'), layerNormLayer(parameters.child('normAfter'), read), { features: embedding, bias: false });
}
