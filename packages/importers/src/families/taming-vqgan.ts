import type { VqganConfiguration } from '@tesserae/dvae';
import type { Family, Ignorable, PeerFile, ReadingContext, WeightName, Weights } from './family.js';
import { countModules, extentOf, fieldsOf, imageSizeOf, imageTokenizerPart, wholeAt } from './reading.js';
import { attentionBlockNames, attentionLevelsOf, endNames, projectionNames, residualBlockNames } from './vqgan-blocks.js';

type Levels = Pick<VqganConfiguration, 'multipliers' | 'blocksPerLevel'>;

/** One half in taming's layout: `down` or `up`, both numbered from the largest pictures. */
export function* tamingHalfNames(half: 'encoder' | 'decoder', { multipliers, blocksPerLevel }: Levels): Iterable<WeightName> {
  yield* endNames(half);
  for (const index of [0, 1]) yield* residualBlockNames(`${half}.mid.block_${index + 1}`, `${half}.middle.blocks.${index}`);
  yield* attentionBlockNames(`${half}.mid.attn_1`, `${half}.middle.attention`);
  const [direction, resampling, blocks] = half === 'encoder' ? (['down', 'downsample', blocksPerLevel] as const) : (['up', 'upsample', blocksPerLevel + 1] as const);
  for (let level = 0; level < multipliers.length; level += 1) {
    const [peer, path] = [`${half}.${direction}.${level}`, `${half}.levels.${level}`];
    for (let block = 0; block < blocks; block += 1) {
      yield* residualBlockNames(`${peer}.block.${block}`, `${path}.blocks.${block}`);
      yield* attentionBlockNames(`${peer}.attn.${block}`, `${path}.attention.${block}`);
    }
    yield* fieldsOf(`${peer}.${resampling}.conv`, `${path}.${resampling}`);
  }
}

export function* tamingVqganNames(configuration: Levels & Pick<VqganConfiguration, 'quantizer'>): Iterable<WeightName> {
  yield* tamingHalfNames('encoder', configuration);
  yield* tamingHalfNames('decoder', configuration);
  yield* projectionNames();
  if (configuration.quantizer === 'gumbel') {
    yield { peer: 'quantize.embed.weight', path: 'quantizer.codebook.weight' };
    yield* fieldsOf('quantize.proj', 'quantizer.logits');
  } else yield { peer: 'quantize.embedding.weight', path: 'quantizer.codebook.weight' };
}

const ignorable: readonly Ignorable[] = [
  { pattern: /^loss\./, reason: 'the loss of its training: discriminator and perceptual distance' },
  { pattern: /^quantize\.(cluster_size|embed_avg)$/, reason: 'running means of its training' },
];

/** Where settings files say the size of the training's pictures: taming-transformers, minDALL-E. */
const resolutionPaths = [
  ['model', 'params', 'ddconfig', 'resolution'],
  ['stage1', 'hparams', 'resolution'],
] as const;

function configurationOf(file: PeerFile, context: ReadingContext): { readonly configuration: VqganConfiguration; readonly assumed: readonly string[] } {
  const { weights } = file;
  const hidden = extentOf(file, 'encoder.conv_in.weight', 0);
  const levels = countModules(weights, 'encoder.down.');
  const resolutions = [...context.documents.values()].flatMap((document) => resolutionPaths.map((path) => wholeAt(document, path)));
  const { imageSize, assumed } = imageSizeOf(
    resolutions.find((size) => size !== undefined),
    context,
    256,
  );
  const quantizer = weights.has('quantize.embed.weight') ? 'gumbel' : 'nearest';
  const codebook = quantizer === 'gumbel' ? 'quantize.embed.weight' : 'quantize.embedding.weight';
  return {
    assumed,
    configuration: {
      kind: 'vqgan',
      imageSize,
      codebookSize: extentOf(file, codebook, 0),
      codeWidth: extentOf(file, codebook, 1),
      latentChannels: extentOf(file, 'encoder.conv_out.weight', 0),
      hidden,
      multipliers: Array.from({ length: levels }, (_, level) => extentOf(file, `encoder.down.${level}.block.0.conv1.weight`, 0) / hidden),
      blocksPerLevel: countModules(weights, 'encoder.down.0.block.'),
      attentionLevels: attentionLevelsOf(weights, levels, (level) => `encoder.down.${level}`),
      quantizer,
    },
  };
}

function isTaming(weights: Weights): boolean {
  return weights.has('encoder.down.0.block.0.conv1.weight') && (weights.has('quantize.embedding.weight') || weights.has('quantize.embed.weight'));
}

/**
 * VQModel and GumbelVQ of taming-transformers (Lightning's `last.ckpt`), and the tokenizers that have their names: the first
 * stage of minDALL-E and the VQGAN of ru-dalle.
 */
export const tamingVqgan: Family = {
  name: 'taming-vqgan',
  title: "taming-transformers' VQGAN (also minDALL-E's first stage and ru-dalle's VQGAN)",
  recognises: isTaming,
  read: (files, context) =>
    files.map((file) => {
      const { configuration, assumed } = configurationOf(file, context);
      return imageTokenizerPart(configuration, context, { names: tamingVqganNames(configuration), weights: file.weights, ignorable, assumed });
    }),
};
