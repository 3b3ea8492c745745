import type { PeerMapping, PeerPart } from '../peer-mapping.js';

const plainNames: Readonly<Record<string, string>> = {
  'tok_embeddings.weight': 'image.tokens.weight',
  'cls_embedding.embedding_table.weight': 'text.tokens.weight',
  'cls_embedding.cap_proj.fc1.weight': 'features.expand.weight',
  'cls_embedding.cap_proj.fc2.weight': 'features.contract.weight',
  'cls_embedding.uncond_embedding': 'features.none.weight',
  'norm.weight': 'norm.weight',
  'output.weight': 'head.image.weight',
};

/** Value before gate: the peer's `w3` is the value, its `w1` the gate. */
const blockNames: Readonly<Record<string, readonly string[]>> = {
  'attention.norm': ['attention_norm'],
  'attention.input': ['attention.wqkv'],
  'attention.output': ['attention.wo'],
  'mlp.norm': ['ffn_norm'],
  'mlp.expand': ['feed_forward.w3', 'feed_forward.w1'],
  'mlp.contract': ['feed_forward.w2'],
};

/** LlamaGen's `Transformer`, for classes and for captions. */
export function llamaGenMapping(layers: number): PeerMapping {
  const mapping = new Map<string, readonly PeerPart[]>(Object.entries(plainNames).map(([name, path]) => [path, [{ name }]]));
  for (let layer = 0; layer < layers; layer += 1) {
    for (const [path, names] of Object.entries(blockNames)) {
      mapping.set(
        `blocks.${layer}.${path}.weight`,
        names.map((name) => ({ name: `layers.${layer}.${name}.weight` })),
      );
    }
  }
  return mapping;
}
