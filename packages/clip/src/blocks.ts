import { add, attention, gelu, layerNormLayer, linear, type ParameterScope, reshape, split, type Tensor, transpose } from '@tesserae/core';

/** GPT-2's deviation of first weights (Radford et al. 2019). */
export const weightDeviation = 0.02;

export interface BlocksOptions {
  /** Size of the residual stream; a multiple of `heads`. */
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  /** CLIP's towers have the quick one (PEERS: x·σ(1.702 x)). */
  readonly activation: 'exact' | 'quick';
  /** bool, broadcast to [batch, heads, queries, keys], true where a position may look. Default: everywhere. */
  readonly mask?: Tensor;
}

/** Pre-LN blocks of attention and MLP (GPT-2, CLIP), without a final norm: `[batch, length, width]` → the same. */
export function transformerBlocks(parameters: ParameterScope, input: Tensor, options: BlocksOptions): Tensor {
  const { width, heads, layers, activation, mask } = options;
  const [batch = 0, length = 0] = input.shape;
  const weights = { kind: 'normal', deviation: weightDeviation } as const;
  // Each block adds twice to the residual stream; this keeps the sum's variance at one block's (GPT-2, §2.3).
  const residualWeights = { kind: 'normal', deviation: weightDeviation / Math.sqrt(2 * layers) } as const;
  let x = reshape(input, [batch * length, width]);
  for (let layer = 0; layer < layers; layer += 1) {
    const block = parameters.child(`${layer}`);
    const place = block.child('attention');
    const joint = linear(place.child('input'), layerNormLayer(place.child('norm'), x), { features: 3 * width, initializer: weights });
    const [queries = joint, keys = joint, values = joint] = split(transpose(reshape(joint, [batch, length, 3 * heads, width / heads]), [0, 2, 1, 3]), 1, 3);
    const attended = reshape(transpose(attention(queries, keys, values, mask === undefined ? {} : { mask }), [0, 2, 1, 3]), [batch * length, width]);
    x = add(x, linear(place.child('output'), attended, { features: width, initializer: residualWeights }));
    const mlp = block.child('mlp');
    const hidden = gelu(linear(mlp.child('expand'), layerNormLayer(mlp.child('norm'), x), { features: 4 * width, initializer: weights }), activation);
    x = add(x, linear(mlp.child('contract'), hidden, { features: width, initializer: residualWeights }));
  }
  return reshape(x, [batch, length, width]);
}
