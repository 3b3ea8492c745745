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
