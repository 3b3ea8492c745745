import { add, argMax, conv2dLayer, matMul, maxPool2d, type ParameterScope, relu, reshape, type Tensor, transpose } from '@tesserae/core';
import type { DvaeShape } from './configuration.js';
import { residualBlock } from './residual-block.js';

/** The encoder up to its last convolution: `[batch, 3, height, width]` → `[batch, hidden·2^(groups−1), height/f, width/f]`. */
export function encodeFeatures(scope: ParameterScope, x: Tensor, configuration: DvaeShape): Tensor {
  const { hidden, groups, blocksPerGroup, seamless = false } = configuration;
  let features = conv2dLayer(scope.child('input'), x, { channels: hidden, filterSize: 7, seamless });
  for (let group = 0; group < groups; group += 1) {
    for (let block = 0; block < blocksPerGroup; block += 1) {
      features = residualBlock(scope.child(`groups.${group}.blocks.${block}`), features, hidden * 2 ** group, [3, 3, 3, 1], configuration);
    }
    // Max-pooling gave a better ELB than average pooling (paper, Appendix A).
    if (group < groups - 1) features = maxPool2d(features);
  }
  return features;
}

/**
 * Pixels → code logits: x `[batch, 3, height, width]` mapped to (0.1, 0.9) → `[batch, codebook, height/f, width/f]`.
 * Parameter paths below `scope`, and openai/DALL-E's: `input` (blocks.input), `groups.g.blocks.b.convolutions.i`
 * (blocks.group_{g+1}.block_{b+1}.res_path.conv_{i+1}), `….identity` (….id_path), `output` (blocks.output.conv).
 */
export function encode(scope: ParameterScope, x: Tensor, configuration: DvaeShape): Tensor {
  return conv2dLayer(scope.child('output'), relu(encodeFeatures(scope, x, configuration)), { channels: configuration.codebookSize, filterSize: 1 });
}

/**
 * Pixels → the most likely codes, int32 `[batch, height/f, width/f]`: the argmax of the logits above. The last convolution is done as a product
 * that puts a place's logits side by side: engines find the largest of thousands several times faster there than across as many maps.
 */
export function encodeToCodes(scope: ParameterScope, x: Tensor, configuration: DvaeShape): Tensor {
  const { codebookSize } = configuration;
  const features = transpose(relu(encodeFeatures(scope, x, configuration)), [0, 2, 3, 1]);
  const channels = features.shape[3] ?? 1;
  const output = scope.child('output');
  const weight = output.parameter('weight', [codebookSize, channels, 1, 1], { kind: 'normal', deviation: 1 / Math.sqrt(channels) });
  const logits = matMul(features, reshape(weight, [codebookSize, channels]), { transposeB: true });
  return argMax(add(logits, output.parameter('bias', [codebookSize], { kind: 'zeros' })), -1);
}
