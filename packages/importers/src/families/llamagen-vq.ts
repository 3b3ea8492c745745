import type { VqganConfiguration } from '@tesserae/dvae';
import type { Family, Ignorable, PeerFile, WeightName } from './family.js';
import { countModules, extentOf, fieldsOf, imageSizeOf, imageTokenizerPart } from './reading.js';
import { attentionBlockNames, attentionLevelsOf, endNames, projectionNames, residualBlockNames } from './vqgan-blocks.js';

type Levels = Pick<VqganConfiguration, 'multipliers' | 'blocksPerLevel'>;

export function* llamagenVqNames({ multipliers, blocksPerLevel }: Levels): Iterable<WeightName> {
  yield* projectionNames();
  yield { peer: 'quantize.embedding.weight', path: 'quantizer.codebook.weight' };
  for (const half of ['encoder', 'decoder'] as const) {
    yield* endNames(half);
    yield* residualBlockNames(`${half}.mid.0`, `${half}.middle.blocks.0`);
    yield* attentionBlockNames(`${half}.mid.1`, `${half}.middle.attention`);
    yield* residualBlockNames(`${half}.mid.2`, `${half}.middle.blocks.1`);
    const [resampling, blocks] = half === 'encoder' ? (['downsample', blocksPerLevel] as const) : (['upsample', blocksPerLevel + 1] as const);
    for (let level = 0; level < multipliers.length; level += 1) {
      // Its decoder counts from the smallest pictures, ours and taming's from the largest.
      const [peer, path] = [`${half}.conv_blocks.${half === 'encoder' ? level : multipliers.length - 1 - level}`, `${half}.levels.${level}`];
      for (let block = 0; block < blocks; block += 1) {
        yield* residualBlockNames(`${peer}.res.${block}`, `${path}.blocks.${block}`);
        yield* attentionBlockNames(`${peer}.attn.${block}`, `${path}.attention.${block}`);
      }
      yield* fieldsOf(`${peer}.${resampling}.conv`, `${path}.${resampling}`);
    }
  }
}

const ignorable: readonly Ignorable[] = [{ pattern: /^quantize\.codebook_used$/, reason: 'which codes its training used last' }];

function configurationOf(file: PeerFile): Omit<VqganConfiguration, 'imageSize'> {
  const { weights } = file;
  const hidden = extentOf(file, 'encoder.conv_in.weight', 0);
  const levels = countModules(weights, 'encoder.conv_blocks.');
  return {
    kind: 'vqgan',
    codebookSize: extentOf(file, 'quantize.embedding.weight', 0),
    codeWidth: extentOf(file, 'quantize.embedding.weight', 1),
    latentChannels: extentOf(file, 'encoder.conv_out.weight', 0),
    hidden,
    multipliers: Array.from({ length: levels }, (_, level) => extentOf(file, `encoder.conv_blocks.${level}.res.0.conv1.weight`, 0) / hidden),
    blocksPerLevel: countModules(weights, 'encoder.conv_blocks.0.res.'),
    attentionLevels: attentionLevelsOf(weights, levels, (level) => `encoder.conv_blocks.${level}`),
    quantizer: 'nearest-normalised',
  };
}

/** The VQ tokenizers of LlamaGen, VQ-8 and VQ-16: `{model}` of its training script. */
export const llamagenVq: Family = {
  name: 'llamagen-vq',
  title: "LlamaGen's VQ tokenizer",
  recognises: (weights) => weights.has('encoder.conv_blocks.0.res.0.conv1.weight') && weights.has('quantize.embedding.weight'),
  read: (files, context) =>
    files.map((file) => {
      const { imageSize, assumed } = imageSizeOf(undefined, context, 256);
      const configuration = { ...configurationOf(file), imageSize };
      return imageTokenizerPart(configuration, context, { names: llamagenVqNames(configuration), weights: file.weights, ignorable, assumed });
    }),
};
