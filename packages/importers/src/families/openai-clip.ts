import { type ClipConfiguration, clipParameters, parseClipConfiguration } from '@tesserae/clip';
import type { Family, Ignorable, PeerFile, WeightName, Weights } from './family.js';
import { countModules, extentOf, fieldsOf } from './reading.js';

/** CLIP's heads have 64 channels each, in every published model. */
const headSize = 64;
/** A ResNet's pictures are 32 times as wide as what its attention reads, which has 32 times the channels of the stem's end. */
const resNetFactor = 32;

/** Projections that are multiplied from the right: `[inputs, features]`, here `[features, inputs]`. */
const transposed = { axes: [1, 0] } as const;

function* blockNames(peer: string, path: string, layers: number): Iterable<WeightName> {
  for (let layer = 0; layer < layers; layer += 1) {
    const [from, to] = [`${peer}transformer.resblocks.${layer}`, `${path}.blocks.${layer}`];
    for (const field of ['weight', 'bias']) yield { peer: `${from}.attn.in_proj_${field}`, path: `${to}.attention.input.${field}` };
    yield* fieldsOf(`${from}.attn.out_proj`, `${to}.attention.output`);
    yield* fieldsOf(`${from}.ln_1`, `${to}.attention.norm`);
    yield* fieldsOf(`${from}.mlp.c_fc`, `${to}.mlp.expand`);
    yield* fieldsOf(`${from}.mlp.c_proj`, `${to}.mlp.contract`);
    yield* fieldsOf(`${from}.ln_2`, `${to}.mlp.norm`);
  }
}

const normFields = { weight: 'weight', bias: 'bias', running_mean: 'mean', running_var: 'variance' } as const;

function* convolutionNames(convolution: string, norm: string, path: string): Iterable<WeightName> {
  yield { peer: `${convolution}.weight`, path: `${path}.convolution.weight` };
  yield* fieldsOf(norm, `${path}.norm`, normFields);
}

function* resNetNames(blocks: readonly number[]): Iterable<WeightName> {
  const inner = [0, 1, 2] as const;
  for (const index of inner) yield* convolutionNames(`visual.conv${index + 1}`, `visual.bn${index + 1}`, `image.stem.${index}`);
  for (const [stage, count] of blocks.entries()) {
    for (let block = 0; block < count; block += 1) {
      const [peer, path] = [`visual.layer${stage + 1}.${block}`, `image.stages.${stage}.${block}`];
      for (const index of inner) yield* convolutionNames(`${peer}.conv${index + 1}`, `${peer}.bn${index + 1}`, `${path}.${index}`);
      yield* convolutionNames(`${peer}.downsample.0`, `${peer}.downsample.1`, `${path}.shortcut`);
    }
  }
  yield { peer: 'visual.attnpool.positional_embedding', path: 'image.pool.positions.weight' };
  for (const [name, ours] of Object.entries({ q_proj: 'query', k_proj: 'key', v_proj: 'value', c_proj: 'output' }))
    yield* fieldsOf(`visual.attnpool.${name}`, `image.pool.${ours}`);
}

function* visionTransformerNames(layers: number): Iterable<WeightName> {
  yield { peer: 'visual.conv1.weight', path: 'image.patches.weight' };
  yield { peer: 'visual.class_embedding', path: 'image.class.weight', ones: true };
  yield { peer: 'visual.positional_embedding', path: 'image.positions.weight' };
  yield* fieldsOf('visual.ln_pre', 'image.normBefore');
  yield* blockNames('visual.', 'image', layers);
  yield* fieldsOf('visual.ln_post', 'image.normAfter');
  yield { peer: 'visual.proj', path: 'image.projection.weight', transform: transposed };
}

export function* openaiClipNames({ image, text }: Pick<ClipConfiguration, 'image' | 'text'>): Iterable<WeightName> {
  yield { peer: 'logit_scale', path: 'logitScale' };
  yield { peer: 'token_embedding.weight', path: 'text.tokens.weight' };
  yield { peer: 'positional_embedding', path: 'text.positions.weight' };
  yield* blockNames('', 'text', text.layers);
  yield* fieldsOf('ln_final', 'text.norm');
  yield { peer: 'text_projection', path: 'text.projection.weight', transform: transposed };
  yield* image.kind === 'resnet' ? resNetNames(image.blocks) : visionTransformerNames(image.layers);
}

const ignorable: readonly Ignorable[] = [
  { pattern: /^(input_resolution|context_length|vocab_size)$/, reason: 'sizes that the other tensors show; TorchScript archives repeat them' },
  { pattern: /\.num_batches_tracked$/, reason: 'how many steps its training took' },
];

const isResNet = (weights: Weights): boolean => weights.has('visual.layer1.0.conv1.weight');

function pictureTower(file: PeerFile): Pick<ClipConfiguration, 'image' | 'imageSize'> {
  const { weights } = file;
  if (isResNet(weights)) {
    const width = extentOf(file, 'visual.layer1.0.conv1.weight', 0);
    const [first = 0, second = 0, third = 0, fourth = 0] = [1, 2, 3, 4].map((stage) => countModules(weights, `visual.layer${stage}.`));
    return {
      // One position more than places: their mean.
      imageSize: resNetFactor * Math.sqrt(extentOf(file, 'visual.attnpool.positional_embedding', 0) - 1),
      image: { kind: 'resnet', width, blocks: [first, second, third, fourth], heads: (width * resNetFactor) / headSize },
    };
  }
  const [width, patch] = [extentOf(file, 'visual.conv1.weight', 0), extentOf(file, 'visual.conv1.weight', 2)];
  return {
    // One position more than patches: the class token.
    imageSize: patch * Math.sqrt(extentOf(file, 'visual.positional_embedding', 0) - 1),
    image: { kind: 'vision-transformer', width, layers: countModules(weights, 'visual.transformer.resblocks.'), heads: width / headSize, patch },
  };
}

function configurationOf(file: PeerFile): ClipConfiguration {
  const width = extentOf(file, 'ln_final.weight', 0);
  return {
    kind: 'clip',
    embedding: extentOf(file, 'text_projection', 1),
    ...pictureTower(file),
    text: {
      width,
      layers: countModules(file.weights, 'transformer.resblocks.'),
      heads: width / headSize,
      length: extentOf(file, 'positional_embedding', 0),
      vocabularySize: extentOf(file, 'token_embedding.weight', 0),
    },
  };
}

/** `ViT-B-32.pt` and its kind: a TorchScript archive as OpenAI published it, or the state dictionary of one. */
export const openaiClip: Family = {
  name: 'openai-clip',
  title: "OpenAI's CLIP",
  recognises: (weights) => weights.has('text_projection') && weights.has('visual.conv1.weight') && weights.has('ln_final.weight'),
  read: (files, { settings }) =>
    files.map((file) => {
      const configuration = parseClipConfiguration({ ...configurationOf(file), ...settings });
      return {
        part: 'scorer',
        configuration,
        expected: clipParameters(configuration),
        names: openaiClipNames(configuration),
        weights: file.weights,
        ignorable,
        assumed: [],
      };
    }),
};
