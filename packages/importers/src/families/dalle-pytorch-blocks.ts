/** The blocks that all transformers of DALLE-pytorch are made of: DALLE's one, CLIP's two. */

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

/** `transformer.layers.layers.I.{0,1}` or, reversible, `transformer.layers.blocks.I.{f,g}.net`; then `fn.` as often as options wrap it. */
const blockKey = /^transformer\.layers\.(?:layers\.(\d+)\.([01])|blocks\.(\d+)\.([fg])\.net)\.((?:fn\.)*)(.+)$/;

export interface BlockOptions {
  readonly sandwich: boolean;
  readonly tokenShift: boolean;
  readonly reversible: boolean;
}

/** The names of one layer's tensors as version 1.6.6 writes them: `blocks.LAYER.…` of ours → the peer's, below the transformer. */
export function* blockTensorNames(layer: number, { sandwich, tokenShift, reversible }: BlockOptions): Iterable<readonly [path: string, peer: string]> {
  const halves = { attention: reversible ? `blocks.${layer}.f.net` : `layers.${layer}.0`, mlp: reversible ? `blocks.${layer}.g.net` : `layers.${layer}.1` } as const;
  // Scale and norm wrap each half; attention is kept for its cache as well, and shifts are two wrappers more.
  const wrappers = { attention: tokenShift ? 5 : 3, mlp: tokenShift ? 4 : 2 } as const;
  for (const [peerField, field] of Object.entries(blockNames)) {
    const isEnd = field === 'scale' || field.startsWith('norm.') || field.startsWith('outputNorm.');
    if (field.startsWith('outputNorm.') && !sandwich) continue;
    const own = /^(input|output)\./.test(field) ? ['attention'] : /^(expand|contract)\./.test(field) ? ['mlp'] : ['attention', 'mlp'];
    for (const half of ['attention', 'mlp'] as const) {
      if (!own.includes(half)) continue;
      const depth = field === 'scale' ? 0 : isEnd ? 1 : wrappers[half];
      yield [`blocks.${layer}.${half}.${field}`, `transformer.layers.${halves[half]}.${'fn.'.repeat(depth)}${peerField}`];
    }
  }
}

export interface BlockTensor {
  /** Below the transformer: `blocks.LAYER.…`. */
  readonly path: string;
  readonly layer: number;
  readonly half: 'attention' | 'mlp';
  /** How many wrappers stand before it. */
  readonly wrappers: number;
  readonly field: string;
}

export function blockTensor(name: string): BlockTensor | undefined {
  const [, layer, half, block, stream, wrappers = '', peerField = ''] = blockKey.exec(name) ?? [];
  const field = blockNames[peerField];
  if (field === undefined) return undefined;
  const number = Number(layer ?? block);
  const part = half === '0' || stream === 'f' ? 'attention' : 'mlp';
  return { path: `blocks.${number}.${part}.${field}`, layer: number, half: part, wrappers: wrappers.length / 'fn.'.length, field };
}
