import {
  add,
  broadcastTo,
  concat,
  conv2dLayer,
  embeddingTable,
  layerNormLayer,
  linear,
  type ParameterScope,
  reduceMean,
  reshape,
  sliceAxis,
  type Tensor,
  transpose,
} from '@tesserae/core';
import { transformerBlocks } from '../blocks.js';
import { type ClipConfiguration, towerBlocks, type VisionTransformer } from './configuration.js';

/** Pixels `[batch, 3, size, size]` → `[batch, patches, patch × patch × 3]`, row by row, within a patch too, colours innermost. */
function cutIntoPatches(pixels: Tensor, patch: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = pixels.shape;
  const [rows, columns] = [height / patch, width / patch];
  const cut = reshape(pixels, [batch * channels, rows, patch, columns, patch]);
  const apart = reshape(transpose(cut, [0, 1, 3, 2, 4]), [batch, channels, rows * columns, patch * patch]);
  return reshape(transpose(apart, [0, 2, 3, 1]), [batch, rows * columns, patch * patch * channels]);
}

/** Normalised pixels `[batch, 3, size, size]` → features `[batch, embedding]`, not normalised. */
export function encodeByTransformer(parameters: ParameterScope, tower: VisionTransformer, configuration: ClipConfiguration, pixels: Tensor): Tensor {
  const { width, patch } = tower;
  const { embedding: features } = configuration;
  const batch = pixels.shape[0] ?? 0;
  const options = towerBlocks(tower, configuration);
  if (configuration.readout === 'mean') {
    const patches = linear(parameters.child('patches'), cutIntoPatches(pixels, patch), { features: width });
    const positioned = add(patches, embeddingTable(parameters.child('positions'), { count: patches.shape[1] ?? 0, width }));
    const stream = transformerBlocks(parameters.child('blocks'), positioned, options);
    return linear(parameters.child('projection'), reduceMean(stream, { axes: [1] }), { features, bias: false });
  }
  const patches = conv2dLayer(parameters.child('patches'), pixels, { channels: width, filterSize: patch, stride: patch, padding: 0, bias: false });
  const count = (patches.shape[2] ?? 0) * (patches.shape[3] ?? 0);
  const classToken = broadcastTo(reshape(embeddingTable(parameters.child('class'), { count: 1, width }), [1, 1, width]), [batch, 1, width]);
  const tokens = concat([classToken, transpose(reshape(patches, [batch, width, count]), [0, 2, 1])], 1);
  const positioned = add(tokens, embeddingTable(parameters.child('positions'), { count: count + 1, width }));
  const stream = transformerBlocks(parameters.child('blocks'), layerNormLayer(parameters.child('normBefore'), positioned), options);
  const read = reshape(sliceAxis(stream, 1, 0, 1), [batch, width]);
  return linear(parameters.child('projection'), layerNormLayer(parameters.child('normAfter'), read), { features, bias: false });
}
