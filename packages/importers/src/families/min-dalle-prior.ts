import { TesseraeError } from '@tesserae/core';
import type { PriorConfiguration } from '@tesserae/transformer';
import { dalleMiniConfiguration, missingGains, publishedHeadSize } from './dalle-mini-network.js';
import type { Family, PeerFile, WeightName } from './family.js';
import { countModules, extentOf, priorPart } from './reading.js';

/** Value before gate: the peer's `fc1` is the value, its `fc0` the gate. */
const feedForward: Readonly<Record<string, readonly string[]>> = {
  'mlp.norm': ['glu.ln0'],
  'mlp.hiddenNorm': ['glu.ln1'],
  'mlp.expand': ['glu.fc1', 'glu.fc0'],
  'mlp.contract': ['glu.fc2'],
};

const selfAttention: Readonly<Record<string, readonly string[]>> = {
  'attention.norm': ['pre_self_attn_layer_norm'],
  'attention.input': ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  'attention.output': ['self_attn.out_proj'],
  'attention.outputNorm': ['self_attn_layer_norm'],
};

const crossAttention: Readonly<Record<string, readonly string[]>> = {
  'crossAttention.norm': ['pre_encoder_attn_layer_norm'],
  'crossAttention.queries': ['encoder_attn.q_proj'],
  'crossAttention.memory': ['encoder_attn.k_proj', 'encoder_attn.v_proj'],
  'crossAttention.output': ['encoder_attn.out_proj'],
  'crossAttention.outputNorm': ['encoder_attn_layer_norm'],
};

const ends: Readonly<Record<string, readonly string[]>> = { embeddingNorm: ['layernorm_embedding'], norm: ['final_ln'] };

function* namesOf(peer: string, path: string, names: Readonly<Record<string, readonly string[]>>): Iterable<WeightName> {
  for (const field of ['weight', 'bias']) {
    for (const [ours, parts] of Object.entries(names)) for (const part of parts) yield { peer: `${peer}${part}.${field}`, path: `${path}${ours}.${field}` };
  }
}

/** The names of its two files behind `encoder.` and `decoder.`. */
export function* minDallePriorNames(encoderLayers: number, decoderLayers: number): Iterable<WeightName> {
  yield { peer: 'encoder.embed_tokens.weight', path: 'encoder.text.tokens.weight' };
  yield { peer: 'encoder.embed_positions.weight', path: 'encoder.text.positions.weight' };
  yield { peer: 'decoder.embed_tokens.weight', path: 'image.tokens.weight' };
  yield { peer: 'decoder.embed_positions.weight', path: 'image.positions.weight' };
  yield { peer: 'decoder.lm_head.weight', path: 'head.image.weight' };
  yield* namesOf('encoder.', 'encoder.', ends);
  yield* namesOf('decoder.', '', ends);
  for (let layer = 0; layer < encoderLayers; layer += 1) yield* namesOf(`encoder.layers.${layer}.`, `encoder.blocks.${layer}.`, { ...selfAttention, ...feedForward });
  for (let layer = 0; layer < decoderLayers; layer += 1) yield* namesOf(`decoder.layers.${layer}.`, `blocks.${layer}.`, { ...selfAttention, ...crossAttention, ...feedForward });
}

/** Norms before a dense layer were trained without a gain; published files leave it out, and the peer has 1 there. */
const withoutGain = /^((?:encoder|decoder)\.(?:.*\.(?:pre_self_attn_layer_norm|pre_encoder_attn_layer_norm|glu\.ln0|glu\.ln1)|final_ln))\.bias$/;

const gainOf = (bias: string): string | undefined => {
  const norm = withoutGain.exec(bias)?.[1];
  return norm === undefined ? undefined : `${norm}.weight`;
};

const isDecoder = ({ weights }: PeerFile): boolean => weights.has('lm_head.weight');

function configurationOf(encoder: PeerFile, decoder: PeerFile): PriorConfiguration {
  const width = extentOf(decoder, 'embed_tokens.weight', 1);
  const side = Math.sqrt(extentOf(decoder, 'embed_positions.weight', 0));
  const imageVocabularySize = extentOf(decoder, 'embed_tokens.weight', 0);
  return dalleMiniConfiguration({
    width,
    layers: countModules(decoder.weights, 'layers.'),
    encoderLayers: countModules(encoder.weights, 'layers.'),
    hidden: extentOf(decoder, 'layers.0.glu.fc0.weight', 0),
    textVocabularySize: extentOf(encoder, 'embed_tokens.weight', 0),
    textLength: extentOf(encoder, 'embed_positions.weight', 0),
    side,
    imageVocabularySize,
  });
}

/** `encoder.pt` and `decoder.pt` of min-dalle: DALL-E mini's transformer. */
export const minDallePrior: Family = {
  name: 'min-dalle-prior',
  title: "min-dalle's encoder and decoder",
  recognises: (weights) => weights.has('embed_positions.weight') && weights.has('layers.0.glu.fc0.weight'),
  read(files, context) {
    const [encoder, decoder] = [files.find((file) => !isDecoder(file)), files.find(isDecoder)];
    if (encoder === undefined || decoder === undefined || files.length !== 2) {
      throw new TesseraeError('model-incompatible', `${files.map(({ name }) => name).join(', ')}: min-dalle's transformer is an encoder and a decoder.`, {
        remedy: 'Name both files: encoder.pt decoder.pt.',
      });
    }
    const configuration = configurationOf(encoder, decoder);
    const weights = new Map(
      [encoder, decoder].flatMap((file) => Array.from(file.weights, ([name, tensor]) => [`${file === encoder ? 'encoder' : 'decoder'}.${name}`, tensor] as const)),
    );
    const gains = missingGains(weights, gainOf);
    const { condition, layers, heads } = configuration;
    const assumed = [
      ...(context.settings.heads === undefined ? [`No file says how many heads attention has: ${heads}, ${publishedHeadSize} channels each. --set heads=N says another.`] : []),
      ...(context.settings.condition === undefined ? ['No file says which code stands before the picture: the last, as DALL-E mini was trained.'] : []),
      ...(gains.size === 0 ? [] : [`${gains.size} gains of norms are not in the files, which leave out what is 1.`]),
    ];
    const names = minDallePriorNames(condition?.kind === 'encoder' ? condition.layers : 0, layers);
    return [priorPart(configuration, context, { names, weights: new Map([...weights, ...gains]), assumed })];
  },
};
