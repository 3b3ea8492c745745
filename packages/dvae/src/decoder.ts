import { add, conv2dLayer, gather, type ParameterScope, relu, reshape, type Tensor, transpose, upsampleNearest2d } from '@tesserae/core';
import type { DvaeShape } from './configuration.js';
import { residualBlock } from './residual-block.js';

/** μ and ln b of the three channels. */
const outputMaps = 6;

/** What stands behind the codebook `[batch, decoderInput, rows, columns]` → six maps `[batch, 6, height, width]`. */
export function decodeEmbedded(scope: ParameterScope, embedded: Tensor, configuration: DvaeShape): Tensor {
  const { hidden, groups, blocksPerGroup } = configuration;
  let features = embedded;
  for (let group = 0; group < groups; group += 1) {
    for (let block = 0; block < blocksPerGroup; block += 1) {
      features = residualBlock(scope.child(`groups.${group}.blocks.${block}`), features, hidden * 2 ** (groups - 1 - group), [1, 3, 3, 3], configuration);
    }
    if (group < groups - 1) features = upsampleNearest2d(features);
  }
  return conv2dLayer(scope.child('output'), relu(features), { channels: outputMaps, filterSize: 1 });
}

/**
 * A relaxed one-hot grid `[batch, codebook, rows, columns]` → six maps `[batch, 6, height, width]`: μ, then ln b.
 * The first 1×1 convolution is the codebook (paper, Appendix A). Paths mirror the encoder's; openai/DALL-E calls them
 * blocks.input, blocks.group_{g+1}.block_{b+1}.{res_path.conv_{i+1}, id_path}, blocks.output.conv.
 */
export function decodeRelaxed(scope: ParameterScope, relaxed: Tensor, configuration: DvaeShape): Tensor {
  // Codebook vectors of unit size: exactly one is read where the relaxation is hard, so the fan-in is 1, not K.
  const embedded = conv2dLayer(scope.child('input'), relaxed, { channels: configuration.decoderInput, filterSize: 1, initializer: { kind: 'normal', deviation: 1 } });
  return decodeEmbedded(scope, embedded, configuration);
}

/** The same from codes: int32 `[batch, rows, columns]`; the 1×1 convolution of a one-hot grid is a look-up of its columns. */
export function decodeCodes(scope: ParameterScope, codes: Tensor, configuration: DvaeShape): Tensor {
  const { codebookSize, decoderInput } = configuration;
  const input = scope.child('input');
  const weight = input.parameter('weight', [decoderInput, codebookSize, 1, 1], { kind: 'normal', deviation: 1 });
  const bias = input.parameter('bias', [decoderInput], { kind: 'zeros' });
  const codebook = transpose(reshape(weight, [decoderInput, codebookSize]), [1, 0]);
  const embedded = transpose(add(gather(codebook, codes), bias), [0, 3, 1, 2]);
  return decodeEmbedded(scope, embedded, configuration);
}
