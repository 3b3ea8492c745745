import { TesseraeError } from '@tesserae/core';
import { architectureOf, type ImageTokenizerConfiguration } from '@tesserae/dvae';
import type { AttentionPattern, PriorConfiguration } from '@tesserae/transformer';
import { blockTensor } from './dalle-pytorch-blocks.js';
import type { Hyperparameters, Ignorable, PartReading, PeerFile, ReadingContext, WeightName, Weights } from './family.js';
import { countModules, extentOf, namesIn, priorPart, truthIn, wholeIn } from './reading.js';

/** The transformer of DALLE-pytorch's `DALLE`. */

/** Names that are the same in every configuration. */
const plainNames: Readonly<Record<string, string>> = {
  'to_logits.0.weight': 'norm.weight',
  'to_logits.0.bias': 'norm.bias',
  'text_emb.weight': 'text.tokens.weight',
  'image_emb.weight': 'image.tokens.weight',
  'text_pos_emb.weight': 'text.positions.weight',
  // axial_positional_embedding up to 0.2.1, and from 0.3.
  'image_pos_emb.weights_0': 'image.rows.weight',
  'image_pos_emb.weights_1': 'image.columns.weight',
  'image_pos_emb.weights.0': 'image.rows.weight',
  'image_pos_emb.weights.1': 'image.columns.weight',
};

/** Kept as what they are broadcast to: `[1, 1, width]`, `[1, rows, 1, width]`. */
const withOnes = /\.scale$|^image_pos_emb\./;

/**
 * DALLE-pytorch's names, of the tensors that there are: how deep options wrap a layer its names alone say. Its one output layer has the text's
 * rows first; with shared embeddings those rows are the embeddings.
 */
export function* dallePytorchPriorNames(names: Iterable<string>, texts: number, codes: number, isTied: boolean): Iterable<WeightName> {
  for (const [kind, rows] of [
    ['text', [0, texts]],
    ['image', [texts, texts + codes]],
  ] as const) {
    yield { peer: 'to_logits.1.weight', path: isTied ? `${kind}.tokens.weight` : `head.${kind}.weight`, rows };
    yield { peer: 'to_logits.1.bias', path: `head.${kind}.bias`, rows };
  }
  for (const peer of names) {
    const part = blockTensor(peer);
    const path = part?.path ?? plainNames[peer];
    if (path !== undefined) yield { peer, path, ...(withOnes.test(peer) ? { ones: true } : {}) };
  }
}

const patterns: Readonly<Record<string, AttentionPattern>> = { full: 'full', axial_row: 'axialRow', axial_col: 'axialColumn', conv_like: 'convLike' };

/** By layer, as the peer repeats a shorter list. */
function repeated<Value>(list: readonly Value[], layers: number, fallback: Value): Value[] {
  return Array.from({ length: layers }, (_, layer) => list[layer % list.length] ?? fallback);
}

function attentionOf({ name, hyperparameters }: PeerFile, layers: number): PriorConfiguration['attention'] {
  const types = namesIn(hyperparameters, 'attn_types') ?? ['full'];
  const found = types.map((type) => {
    const pattern = patterns[type];
    if (pattern !== undefined) return pattern;
    throw new TesseraeError('model-incompatible', `${name}: its transformer has layers of the type '${type}'.`, { remedy: `Convertible are ${Object.keys(patterns).join(', ')}.` });
  });
  return repeated(found, layers, 'full');
}

/** By layer, the first one with the same id. */
function sharedOf(hyperparameters: Hyperparameters, key: string, layers: number): readonly number[] | undefined {
  const ids = namesIn(hyperparameters, key);
  if (ids === undefined) return undefined;
  const all = repeated(ids, layers, '');
  return all.map((id) => all.indexOf(id));
}

const sharedEmbedding = /^(text|image)_emb\.linear\.(weight|bias)$/;

const ignorable: readonly Ignorable[] = [
  { pattern: /^transformer\.pos_emb$/, reason: 'the table of turns, which follows from the sizes' },
  { pattern: /(^|\.)(logits_mask|mask|static_mask)$/, reason: 'a mask, which follows from the sizes' },
  { pattern: sharedEmbedding, reason: 'the output layer again, which these embeddings share' },
];

/** A shared layer appears once a user; the first has its weights. */
function sharedAgain(weights: Weights, { attentionOf: attention, feedForwardOf: feedForward }: NonNullable<PriorConfiguration['block']>): Ignorable[] {
  return Array.from(weights.keys()).flatMap((name) => {
    const part = blockTensor(name);
    if (part === undefined || /^(scale|norm|outputNorm)\b/.test(part.field)) return [];
    const owner = (part.half === 'attention' ? attention : feedForward)?.[part.layer] ?? part.layer;
    if (owner === part.layer) return [];
    return [{ pattern: new RegExp(`^${name.replaceAll('.', '\\.')}$`), reason: 'weights of an earlier layer again, which this one shares' }];
  });
}

/** How deep the widest part of the first feed-forward layer is wrapped: twice without shifts (scale, norm), two more with them. */
const wrappersWithoutShift = 2;

/** The heads of every example of its documentation. */
const usualHeadSize = 64;

export function dallePytorchPrior(file: PeerFile, tokenizer: ImageTokenizerConfiguration, context: ReadingContext): PartReading {
  const { weights, hyperparameters } = file;
  const blocks = Array.from(weights.keys(), blockTensor).filter((part) => part !== undefined);
  const isReversible = Array.from(weights.keys()).some((name) => name.startsWith('transformer.layers.blocks.'));
  const layers = countModules(weights, isReversible ? 'transformer.layers.blocks.' : 'transformer.layers.layers.');
  const width = extentOf(file, 'to_logits.1.weight', 1);
  const isTied = truthIn(hyperparameters, 'share_input_output_emb') ?? Array.from(weights.keys()).some((name) => sharedEmbedding.test(name));
  const isRotary = !weights.has('text_pos_emb.weight');
  const textLength = wholeIn(hyperparameters, 'text_seq_len') ?? extentOf(file, 'text_pos_emb.weight', 0) - 1;
  const codes = tokenizer.codebookSize;
  const texts = extentOf(file, 'to_logits.1.weight', 0) - codes;
  const inner = Array.from(weights).find(([name]) => name.endsWith('.to_qkv.weight'))?.[1].shape[0] ?? 0;
  const heads = wholeIn(hyperparameters, 'heads');
  const headSize = wholeIn(hyperparameters, 'dim_head') ?? (heads === undefined ? usualHeadSize : inner / 3 / heads);
  const side = tokenizer.imageSize / architectureOf(tokenizer).downsampling;
  const [attentionLayers, feedForwardLayers] = [sharedOf(hyperparameters, 'shared_attn_ids', layers), sharedOf(hyperparameters, 'shared_ff_ids', layers)];
  const block: PriorConfiguration['block'] = {
    feedForward: 'geglu',
    layerScale: true,
    biases: { attentionInput: false },
    normPlacement: blocks.some(({ field }) => field === 'outputNorm.weight') ? 'sandwich' : 'pre',
    tokenShift:
      truthIn(hyperparameters, 'shift_tokens') ?? blocks.some(({ half, field, wrappers }) => half === 'mlp' && field === 'expand.weight' && wrappers > wrappersWithoutShift),
    stable: truthIn(hyperparameters, 'stable') ?? false,
    reversible: isReversible,
    ...(attentionLayers === undefined ? {} : { attentionOf: attentionLayers }),
    ...(feedForwardLayers === undefined ? {} : { feedForwardOf: feedForwardLayers }),
  };
  const configuration: PriorConfiguration = {
    kind: 'prior',
    width,
    layers,
    heads: heads ?? inner / 3 / headSize,
    headSize,
    textVocabularySize: texts - textLength,
    textLength,
    grid: { rows: side, columns: side },
    codebookSize: codes,
    attention: attentionOf(file, layers),
    condition: { kind: 'text', start: 'first-token' },
    positions: isRotary ? 'rotary-axial' : 'rows-columns',
    tiedEmbeddings: isTied,
    block,
  };
  return priorPart(configuration, context, {
    names: dallePytorchPriorNames(weights.keys(), texts, codes, isTied),
    weights,
    ignorable: [...ignorable, ...sharedAgain(weights, block)],
    assumed:
      heads === undefined && context.settings.heads === undefined
        ? [`No file says how many heads attention has: ${usualHeadSize} channels each. --set heads=N,headSize=M says otherwise.`]
        : [],
  });
}
