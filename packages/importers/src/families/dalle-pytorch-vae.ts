import { TesseraeError } from '@tesserae/core';
import type { StridedDvaeConfiguration } from '@tesserae/dvae';
import type { Family, PeerFile, ReadingContext, WeightName, Weights } from './family.js';
import { countModules, extentOf, fieldsOf, imageTokenizerPart, wholeIn } from './reading.js';

/** The peer numbers its modules as they follow one another, whatever they are. */
export function* dallePytorchVaeNames({ layers, residualBlocks }: Pick<StridedDvaeConfiguration, 'layers' | 'residualBlocks'>): Iterable<WeightName> {
  yield { peer: 'codebook.weight', path: 'codebook.weight' };
  function* residual(peer: string, path: string): Iterable<WeightName> {
    // Convolutions stand at the even places; ReLUs, which have no weights, between them.
    for (let index = 0; index < 3; index += 1) yield* fieldsOf(`${peer}.net.${2 * index}`, `${path}.convolutions.${index}`);
  }
  let place = 0;
  for (let layer = 0; layer < layers; layer += 1) yield* fieldsOf(`encoder.${place++}.0`, `encoder.downsample.${layer}`);
  for (let block = 0; block < residualBlocks; block += 1) yield* residual(`encoder.${place++}`, `encoder.blocks.${block}`);
  yield* fieldsOf(`encoder.${place}`, 'encoder.output');
  place = 0;
  if (residualBlocks > 0) yield* fieldsOf(`decoder.${place++}`, 'decoder.input');
  for (let block = 0; block < residualBlocks; block += 1) yield* residual(`decoder.${place++}`, `decoder.blocks.${block}`);
  for (let layer = 0; layer < layers; layer += 1) yield* fieldsOf(`decoder.${place++}.0`, `decoder.upsample.${layer}`);
  yield* fieldsOf(`decoder.${place}`, 'decoder.output');
}

/** Modules of the encoder that hold `module` as their first part: `0` of strided convolutions, `net` of residual blocks. */
function countEncoder(weights: Weights, module: string): number {
  const total = countModules(weights, 'encoder.');
  return Array.from({ length: total }, (_, index) => index).filter((index) => weights.has(`encoder.${index}.${module}.weight`)).length;
}

function configurationOf(file: PeerFile, { settings }: ReadingContext): StridedDvaeConfiguration {
  const { weights, hyperparameters } = file;
  const imageSize = wholeIn(hyperparameters, 'image_size');
  if (imageSize === undefined && settings.imageSize === undefined) {
    throw new TesseraeError('model-incompatible', `${file.name}: no file says the size of pictures, which this family has no usual one of.`, {
      remedy: 'Say it: --set imageSize=N (train_vae.py: --image_size, default 128).',
    });
  }
  const read = (key: string, fallback: () => number) => wholeIn(hyperparameters, key) ?? fallback();
  const channels = read('channels', () => extentOf(file, 'encoder.0.0.weight', 1));
  return {
    kind: 'strided-dvae',
    imageSize: imageSize ?? 0,
    channels: channels === 4 ? 4 : 3,
    codebookSize: read('num_tokens', () => extentOf(file, 'codebook.weight', 0)),
    codeWidth: read('codebook_dim', () => extentOf(file, 'codebook.weight', 1)),
    layers: read('num_layers', () => countEncoder(weights, '0')),
    residualBlocks: read('num_resnet_blocks', () => countEncoder(weights, 'net.0')),
    hidden: read('hidden_dim', () => extentOf(file, 'encoder.0.0.weight', 0)),
  };
}

/** `vae.pt` of DALLE-pytorch's training script, {hparams, weights}, or the weights alone. */
export const dallePytorchVae: Family = {
  name: 'dalle-pytorch-vae',
  title: "DALLE-pytorch's DiscreteVAE",
  recognises: (weights) => weights.get('codebook.weight')?.shape.length === 2,
  read: (files, context) =>
    files.map((file) => {
      const configuration = configurationOf(file, context);
      return imageTokenizerPart(configuration, context, { names: dallePytorchVaeNames(configuration), weights: file.weights });
    }),
};
