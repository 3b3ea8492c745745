import { conv2dLayer, maxPool2d, type ParameterScope, relu, type Tensor } from '@tesserae/core';
import type { DvaeConfiguration } from './configuration.js';
import { residualBlock, residualGain } from './residual-block.js';

/** The encoder up to its last convolution: `[batch, 3, height, width]` → `[batch, hidden·2^(groups−1), height/f, width/f]`. */
export function encodeFeatures(scope: ParameterScope, x: Tensor, configuration: DvaeConfiguration): Tensor {
  const { hidden, groups, blocksPerGroup } = configuration;
  const gain = residualGain(configuration);
  let features = conv2dLayer(scope.child('input'), x, { channels: hidden, filterSize: 7 });
  for (let group = 0; group < groups; group += 1) {
    for (let block = 0; block < blocksPerGroup; block += 1) {
      features = residualBlock(scope.child(`groups.${group}.blocks.${block}`), features, hidden * 2 ** group, [3, 3, 3, 1], gain);
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
export function encode(scope: ParameterScope, x: Tensor, configuration: DvaeConfiguration): Tensor {
  return conv2dLayer(scope.child('output'), relu(encodeFeatures(scope, x, configuration)), { channels: configuration.codebookSize, filterSize: 1 });
}
