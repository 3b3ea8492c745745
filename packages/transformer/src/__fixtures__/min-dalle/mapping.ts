import type { PeerMapping, PeerPart } from '../peer-mapping.js';

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

const ends: Readonly<Record<string, string>> = { embeddingNorm: 'layernorm_embedding', norm: 'final_ln' };

/** min-dalle's two files, their names behind `encoder.` and `decoder.`. Published files leave out gains that are all 1. */
export function minDalleMapping(encoderLayers: number, decoderLayers: number): PeerMapping {
  const mapping = new Map<string, readonly PeerPart[]>([
    ['encoder.text.tokens.weight', [{ name: 'encoder.embed_tokens.weight' }]],
    ['encoder.text.positions.weight', [{ name: 'encoder.embed_positions.weight' }]],
    ['image.tokens.weight', [{ name: 'decoder.embed_tokens.weight' }]],
    ['image.positions.weight', [{ name: 'decoder.embed_positions.weight' }]],
    ['head.image.weight', [{ name: 'decoder.lm_head.weight' }]],
  ]);
  const put = (ours: string, peers: string, names: Readonly<Record<string, readonly string[]>>): void => {
    for (const field of ['weight', 'bias']) {
      for (const [path, parts] of Object.entries(names)) {
        mapping.set(
          `${ours}${path}.${field}`,
          parts.map((part) => ({ name: `${peers}${part}.${field}` })),
        );
      }
    }
  };
  for (const [path, name] of Object.entries(ends)) {
    put('encoder.', 'encoder.', { [path]: [name] });
    put('', 'decoder.', { [path]: [name] });
  }
  for (let layer = 0; layer < encoderLayers; layer += 1) put(`encoder.blocks.${layer}.`, `encoder.layers.${layer}.`, { ...selfAttention, ...feedForward });
  for (let layer = 0; layer < decoderLayers; layer += 1) put(`blocks.${layer}.`, `decoder.layers.${layer}.`, { ...selfAttention, ...crossAttention, ...feedForward });
  return mapping;
}
