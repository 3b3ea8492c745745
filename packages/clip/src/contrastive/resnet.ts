import {
  add,
  attention,
  concat,
  conv2dLayer,
  divide,
  embeddingTable,
  linear,
  multiply,
  type ParameterScope,
  reduceMean,
  relu,
  reshape,
  sliceAxis,
  sqrt,
  subtract,
  sumPool2d,
  type Tensor,
  transpose,
} from '@tesserae/core';
import type { ClipResNet } from './configuration.js';

/** Channels of a block's end in units of its middle. */
const expansion = 4;
/** PyTorch's default, which CLIP leaves as it is. */
const batchNormEpsilon = 1e-5;

const averagePool2d = (x: Tensor, size: number): Tensor => (size === 1 ? x : divide(sumPool2d(x, size), size * size));

/** Batch normalisation by the statistics of training: a scale and a shift a channel. */
function batchNorm(parameters: ParameterScope, x: Tensor): Tensor {
  const channels = x.shape[1] ?? 0;
  const vector = (name: string, kind: 'ones' | 'zeros'): Tensor => reshape(parameters.parameter(name, [channels], { kind }, { decay: false }), [channels, 1, 1]);
  const scale = divide(vector('weight', 'ones'), sqrt(add(vector('variance', 'ones'), batchNormEpsilon)));
  return add(multiply(subtract(x, vector('mean', 'zeros')), scale), vector('bias', 'zeros'));
}

function convolve(parameters: ParameterScope, x: Tensor, channels: number, filterSize: 1 | 3, stride = 1): Tensor {
  const padding = filterSize === 1 ? 0 : 1;
  return batchNorm(parameters.child('norm'), conv2dLayer(parameters.child('convolution'), x, { channels, filterSize, stride, padding, bias: false }));
}

/** A bottleneck block. Strides are average pools, in the branch and beside it. */
function bottleneck(parameters: ParameterScope, x: Tensor, middle: number, stride: number): Tensor {
  const channels = middle * expansion;
  const narrow = relu(convolve(parameters.child('0'), x, middle, 1));
  const seen = averagePool2d(relu(convolve(parameters.child('1'), narrow, middle, 3)), stride);
  const branch = convolve(parameters.child('2'), seen, channels, 1);
  const beside = stride > 1 || x.shape[1] !== channels ? convolve(parameters.child('shortcut'), averagePool2d(x, stride), channels, 1) : x;
  return relu(add(branch, beside));
}

/** Attention of the mean over all places: `[batch, channels, rows, columns]` → `[batch, embedding]`. */
function attentionPool(parameters: ParameterScope, x: Tensor, heads: number, embedding: number): Tensor {
  const [batch = 0, channels = 0, rows = 0, columns = 0] = x.shape;
  const places = transpose(reshape(x, [batch, channels, rows * columns]), [0, 2, 1]);
  const length = rows * columns + 1;
  const tokens = add(
    concat([reduceMean(places, { axes: [1], keepDimensions: true }), places], 1),
    embeddingTable(parameters.child('positions'), { count: length, width: channels }),
  );
  const project = (name: string, input: Tensor, count: number): Tensor =>
    transpose(reshape(linear(parameters.child(name), input, { features: channels }), [batch, count, heads, channels / heads]), [0, 2, 1, 3]);
  const attended = attention(project('query', sliceAxis(tokens, 1, 0, 1), 1), project('key', tokens, length), project('value', tokens, length));
  return linear(parameters.child('output'), reshape(transpose(attended, [0, 2, 1, 3]), [batch, channels]), { features: embedding });
}

/** Normalised pixels `[batch, 3, size, size]` → features `[batch, embedding]`, not normalised. For inference: norms are fixed. */
export function encodeByResNet(parameters: ParameterScope, tower: ClipResNet, embedding: number, pixels: Tensor): Tensor {
  const { width, blocks, heads } = tower;
  const stem = parameters.child('stem');
  let x = relu(convolve(stem.child('0'), pixels, width / 2, 3, 2));
  x = relu(convolve(stem.child('1'), x, width / 2, 3));
  x = averagePool2d(relu(convolve(stem.child('2'), x, width, 3)), 2);
  blocks.forEach((count, stage) => {
    for (let block = 0; block < count; block += 1) {
      x = bottleneck(parameters.child('stages').child(`${stage}`).child(`${block}`), x, width * 2 ** stage, block === 0 && stage > 0 ? 2 : 1);
    }
  });
  return attentionPool(parameters.child('pool'), x, heads, embedding);
}
