import type { VqganConfiguration } from '@tesserae/dvae';
import type { Family, PeerFile, WeightName } from './family.js';
import { countModules, extentOf, fieldsOf, imageSizeOf, imageTokenizerPart } from './reading.js';
import { tamingHalfNames } from './taming-vqgan.js';
import { attentionLevelsOf } from './vqgan-blocks.js';

export function* minDalleDetokenizerNames(configuration: Pick<VqganConfiguration, 'multipliers' | 'blocksPerLevel'>): Iterable<WeightName> {
  yield { peer: 'embedding.weight', path: 'quantizer.codebook.weight' };
  yield* fieldsOf('post_quant_conv', 'quantizer.output');
  yield* tamingHalfNames('decoder', configuration);
}

function configurationOf(file: PeerFile): Omit<VqganConfiguration, 'imageSize'> {
  const { weights } = file;
  const levels = countModules(weights, 'decoder.up.');
  // Level 0 has the largest pictures and, here as in every published VQGAN, the multiplier 1.
  const hidden = extentOf(file, 'decoder.conv_out.weight', 1);
  return {
    kind: 'vqgan',
    codebookSize: extentOf(file, 'embedding.weight', 0),
    codeWidth: extentOf(file, 'embedding.weight', 1),
    latentChannels: extentOf(file, 'post_quant_conv.weight', 0),
    hidden,
    multipliers: Array.from({ length: levels }, (_, level) => extentOf(file, `decoder.up.${level}.block.0.conv1.weight`, 0) / hidden),
    blocksPerLevel: countModules(weights, 'decoder.up.0.block.') - 1,
    attentionLevels: attentionLevelsOf(weights, levels, (level) => `decoder.up.${level}`),
    quantizer: 'nearest',
    decodesOnly: true,
    // It paints in [0, 1] and leaves PyTorch's own ε, where taming-transformers has [−1, 1] and 1e-6.
    pixelRange: 'zero-to-one',
    normEpsilon: 1e-5,
    normGroups: 32,
  };
}

/** `detoker.pt` of min-dalle: the decoder of dalle-mini's VQGAN. There is no encoder in the file. */
export const minDalleDetokenizer: Family = {
  name: 'min-dalle-detokenizer',
  title: "min-dalle's detokenizer",
  recognises: (weights) => weights.has('embedding.weight') && weights.has('post_quant_conv.weight') && weights.has('decoder.up.0.block.0.conv1.weight'),
  read: (files, context) =>
    files.map((file) => {
      const { imageSize, assumed } = imageSizeOf(undefined, context, 256);
      const configuration = { ...configurationOf(file), imageSize };
      return imageTokenizerPart(configuration, context, { names: minDalleDetokenizerNames(configuration), weights: file.weights, assumed });
    }),
};
