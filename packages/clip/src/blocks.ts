import { add, attention, gelu, layerNormLayer, linear, multiply, type ParameterScope, reshape, split, type Tensor, transpose } from '@tesserae/core';

/** GPT-2's deviation of first weights (Radford et al. 2019). */
export const weightDeviation = 0.02;

/** What a block's MLP does between its two matrices. `quick`: x·σ(1.702 x), in CLIP's towers. `geglu`: half of twice as much gates the other half. */
export type BlockActivation = 'exact' | 'quick' | 'geglu';

export interface BlocksOptions {
  /** Size of the residual stream. */
  readonly width: number;
  readonly heads: number;
  /** Default: width / heads. */
  readonly headSize?: number;
  readonly layers: number;
  readonly activation: BlockActivation;
  /** Whether queries, keys and values have biases. Default true. */
  readonly inputBias?: boolean;
  /** Whether what a block adds is scaled by channel, with a learned scale (Touvron et al. 2021, LayerScale). Default false. */
  readonly layerScale?: boolean;
  /** bool, broadcast to [batch, heads, queries, keys], true where a position may look. Default: everywhere. */
  readonly mask?: Tensor;
}

/** DALLE-pytorch's first scales: the deeper a layer, the smaller. */
const firstScale = (layer: number): number => (layer < 18 ? 0.1 : layer < 24 ? 1e-5 : 1e-6);

function activate(x: Tensor, activation: BlockActivation): Tensor {
  if (activation !== 'geglu') return gelu(x, activation);
  const [value = x, gate = x] = split(x, 1, 2);
  return multiply(value, gelu(gate));
}

/** Pre-LN blocks of attention and MLP (GPT-2, CLIP), without a final norm: `[batch, length, width]` → the same. */
export function transformerBlocks(parameters: ParameterScope, input: Tensor, options: BlocksOptions): Tensor {
  const { width, heads, headSize = width / heads, layers, activation, inputBias = true, layerScale = false, mask } = options;
  const [batch = 0, length = 0] = input.shape;
  const inner = heads * headSize;
  const weights = { kind: 'normal', deviation: weightDeviation } as const;
  // Each block adds twice to the residual stream; this keeps the sum's variance at one block's (GPT-2, §2.3).
  const residualWeights = { kind: 'normal', deviation: weightDeviation / Math.sqrt(2 * layers) } as const;
  let x = reshape(input, [batch * length, width]);
  for (let layer = 0; layer < layers; layer += 1) {
    const block = parameters.child(`${layer}`);
    const scaled = (place: ParameterScope, added: Tensor): Tensor =>
      layerScale ? multiply(added, place.parameter('scale', [width], { kind: 'constant', value: firstScale(layer) })) : added;
    const place = block.child('attention');
    const joint = linear(place.child('input'), layerNormLayer(place.child('norm'), x), { features: 3 * inner, initializer: weights, bias: inputBias });
    const [queries = joint, keys = joint, values = joint] = split(transpose(reshape(joint, [batch, length, 3 * heads, headSize]), [0, 2, 1, 3]), 1, 3);
    const attended = reshape(transpose(attention(queries, keys, values, mask === undefined ? {} : { mask }), [0, 2, 1, 3]), [batch * length, inner]);
    x = add(x, scaled(place, linear(place.child('output'), attended, { features: width, initializer: residualWeights })));
    const mlp = block.child('mlp');
    const expanded = activation === 'geglu' ? 8 * width : 4 * width;
    const hidden = activate(linear(mlp.child('expand'), layerNormLayer(mlp.child('norm'), x), { features: expanded, initializer: weights }), activation);
    x = add(x, scaled(mlp, linear(mlp.child('contract'), hidden, { features: width, initializer: residualWeights })));
  }
  return reshape(x, [batch, length, width]);
}
