import type { PriorConfiguration } from '../../configuration.js';
import { textTokensOf } from '../../configuration.js';
import type { PeerMapping, PeerPart } from '../peer-mapping.js';

/** What stands behind the last `fn.` of a part of a block → our name of it. */
const blockNames: Readonly<Record<string, string>> = {
  scale: 'scale',
  'norm.weight': 'norm.weight',
  'norm.bias': 'norm.bias',
  'norm_out.weight': 'outputNorm.weight',
  'norm_out.bias': 'outputNorm.bias',
  'to_qkv.weight': 'input.weight',
  'to_out.0.weight': 'output.weight',
  'to_out.0.bias': 'output.bias',
  'net.0.weight': 'expand.weight',
  'net.0.bias': 'expand.bias',
  'net.3.weight': 'contract.weight',
  'net.3.bias': 'contract.bias',
};

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

/** `transformer.layers.layers.I.{0,1}` or, reversible, `transformer.layers.blocks.I.{f,g}.net`; then `fn.` as often as options ask. */
const blockKey = /^transformer\.layers\.(?:layers\.(\d+)\.([01])|blocks\.(\d+)\.([fg])\.net)\.(?:fn\.)*(.+)$/;

/** DALLE-pytorch's names. Its one output layer has the text's rows first; with shared embeddings those rows are the embeddings. */
export function dallePytorchMapping(names: Iterable<string>, configuration: PriorConfiguration): PeerMapping {
  const mapping = new Map<string, readonly PeerPart[]>();
  const texts = textTokensOf(configuration);
  const all = texts + configuration.codebookSize;
  const tokens = configuration.tiedEmbeddings === true ? (kind: string) => `${kind}.tokens.weight` : (kind: string) => `head.${kind}.weight`;
  mapping.set(tokens('text'), [{ name: 'to_logits.1.weight', rows: [0, texts] }]);
  mapping.set(tokens('image'), [{ name: 'to_logits.1.weight', rows: [texts, all] }]);
  mapping.set('head.text.bias', [{ name: 'to_logits.1.bias', rows: [0, texts] }]);
  mapping.set('head.image.bias', [{ name: 'to_logits.1.bias', rows: [texts, all] }]);
  for (const name of names) {
    const [, layer, half, block, stream, field = ''] = blockKey.exec(name) ?? [];
    const path = blockNames[field] === undefined ? plainNames[name] : `blocks.${layer ?? block}.${half === '0' || stream === 'f' ? 'attention' : 'mlp'}.${blockNames[field]}`;
    if (path !== undefined) mapping.set(path, [{ name }]);
  }
  return mapping;
}
