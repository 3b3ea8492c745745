import type { PeerMapping, PeerPart } from '../peer-mapping.js';

const plainNames: Readonly<Record<string, string>> = {
  tok_emb_txt: 'text.tokens',
  pos_emb_txt: 'text.positions',
  tok_emb_img: 'image.tokens',
  pos_emb_img: 'image.positions',
  ln_f: 'norm',
  head_txt: 'head.text',
  head_img: 'head.image',
};

const blockNames: Readonly<Record<string, string>> = {
  ln1: 'attention.norm',
  'attn.proj': 'attention.output',
  ln2: 'mlp.norm',
  'mlp.0': 'mlp.expand',
  'mlp.2': 'mlp.contract',
};

/** minDALL-E's second stage (`Transformer1d`): queries, keys and values are layers of their own. */
export function minDalleKakaoMapping(layers: number): PeerMapping {
  const fields = ['weight', 'bias'] as const;
  const mapping = new Map<string, readonly PeerPart[]>();
  for (const field of fields) {
    for (const [name, path] of Object.entries(plainNames)) mapping.set(`${path}.${field}`, [{ name: `${name}.${field}` }]);
    for (let layer = 0; layer < layers; layer += 1) {
      for (const [name, path] of Object.entries(blockNames)) mapping.set(`blocks.${layer}.${path}.${field}`, [{ name: `blocks.${layer}.${name}.${field}` }]);
      mapping.set(
        `blocks.${layer}.attention.input.${field}`,
        ['query', 'key', 'value'].map((part) => ({ name: `blocks.${layer}.attn.${part}.${field}` })),
      );
    }
  }
  return mapping;
}
