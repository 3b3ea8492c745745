import { type ClipConfiguration, clipParameters, parseClipConfiguration } from '@tesserae/clip';
import { TesseraeError } from '@tesserae/core';
import { blockTensor } from './dalle-pytorch-blocks.js';
import type { Family, PeerFile, WeightName, Weights } from './family.js';
import { countModules, extentOf } from './reading.js';

/** Its transformers' heads have as many channels as the default of `Transformer`, which it does not change. */
const headSize = 64;

const plainNames: Readonly<Record<string, string>> = {
  temperature: 'logitScale',
  'text_emb.weight': 'text.tokens.weight',
  'text_pos_emb.weight': 'text.positions.weight',
  'to_text_latent.weight': 'text.projection.weight',
  'to_visual_embedding.weight': 'image.patches.weight',
  'to_visual_embedding.bias': 'image.patches.bias',
  'visual_pos_emb.weight': 'image.positions.weight',
  'to_visual_latent.weight': 'image.projection.weight',
};

const towers = { text_: 'text', visual_: 'image' } as const;

/** Of the tensors that there are: versions wrap layers differently. */
export function* dallePytorchClipNames(names: Iterable<string>): Iterable<WeightName> {
  for (const peer of names) {
    const plain = plainNames[peer];
    if (plain !== undefined) yield { peer, path: plain };
    for (const [prefix, tower] of Object.entries(towers)) {
      const part = peer.startsWith(prefix) ? blockTensor(peer.slice(prefix.length)) : undefined;
      if (part !== undefined) yield { peer, path: `${tower}.${part.path}`, ...(part.field === 'scale' ? { ones: true } : {}) };
    }
  }
}

/** Heads of the first layer: queries, keys and values in one matrix. */
function headsOf({ weights, name }: PeerFile, prefix: string): number {
  const rows = Array.from(weights).find(([key]) => key.startsWith(prefix) && key.endsWith('.to_qkv.weight'))?.[1].shape[0];
  if (rows !== undefined && rows % (3 * headSize) === 0) return rows / 3 / headSize;
  throw new TesseraeError('model-incompatible', `${name}: the attention below '${prefix}' has ${rows ?? 'no'} rows, which are no heads of ${headSize} channels.`, {
    remedy: "Use a checkpoint of DALLE-pytorch's own CLIP.",
  });
}

function configurationOf(file: PeerFile): ClipConfiguration {
  const { weights } = file;
  const patch = Math.sqrt(extentOf(file, 'to_visual_embedding.weight', 1) / 3);
  return {
    kind: 'clip',
    embedding: extentOf(file, 'to_text_latent.weight', 0),
    imageSize: patch * Math.sqrt(extentOf(file, 'visual_pos_emb.weight', 0)),
    image: {
      kind: 'vision-transformer',
      width: extentOf(file, 'visual_pos_emb.weight', 1),
      layers: countModules(weights, 'visual_transformer.layers.layers.'),
      heads: headsOf(file, 'visual_transformer.'),
      patch,
    },
    text: {
      width: extentOf(file, 'text_emb.weight', 1),
      layers: countModules(weights, 'text_transformer.layers.layers.'),
      heads: headsOf(file, 'text_transformer.'),
      length: extentOf(file, 'text_pos_emb.weight', 0),
      vocabularySize: extentOf(file, 'text_emb.weight', 0),
    },
    readout: 'mean',
    block: { feedForward: 'geglu', headSize, layerScale: true, biases: { attentionInput: false } },
    // It takes pixels as they are.
    pixelMean: [0, 0, 0],
    pixelDeviation: [1, 1, 1],
  };
}

const recognises = (weights: Weights): boolean => weights.has('to_text_latent.weight') && weights.has('to_visual_embedding.weight');

/** The `CLIP` class of DALLE-pytorch, as its users save it: a state dictionary. */
export const dallePytorchClip: Family = {
  name: 'dalle-pytorch-clip',
  title: "DALLE-pytorch's CLIP",
  recognises,
  read: (files, { settings }) =>
    files.map((file) => {
      const configuration = parseClipConfiguration({ ...configurationOf(file), ...settings });
      return {
        part: 'scorer',
        configuration,
        expected: clipParameters(configuration),
        names: dallePytorchClipNames(file.weights.keys()),
        weights: file.weights,
        ignorable: [],
        assumed: ['This CLIP reads texts by the tokenizer it was trained with, which is not in the file: without it this scores nothing.'],
      };
    }),
};
