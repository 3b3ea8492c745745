import { gelu, type Initializer, linear, multiply, type ParameterScope, silu, split, type Tensor } from '@tesserae/core';
import type { BlockChoices, FeedForwardKind } from './choices.js';
import { normalise } from './norms.js';

/** Whether the first matrix makes two things: the value, then its gate. */
const isGated: Readonly<Record<FeedForwardKind, boolean>> = { gelu: false, 'gelu-tanh': false, 'gelu-quick': false, geglu: true, swiglu: true };

function activate(x: Tensor, kind: FeedForwardKind): Tensor {
  switch (kind) {
    case 'gelu':
      return gelu(x);
    case 'gelu-tanh':
      return gelu(x, 'tanh');
    case 'gelu-quick':
      return gelu(x, 'quick');
    case 'geglu':
    case 'swiglu': {
      const [value = x, gate = x] = split(x, 1, 2);
      return multiply(value, kind === 'geglu' ? gelu(gate) : silu(gate));
    }
    default:
      return kind satisfies never;
  }
}

/** rows [tokens, width] → the same, by way of `choices.hidden` channels. */
export function feedForward(place: ParameterScope, choices: BlockChoices, rows: Tensor, initializers: { readonly expand: Initializer; readonly contract: Initializer }): Tensor {
  const { feedForward: kind, hidden, biases, norm, normPlacement } = choices;
  const bias = biases.feedForward;
  const expanded = linear(place.child('expand'), rows, { features: isGated[kind] ? 2 * hidden : hidden, initializer: initializers.expand, bias });
  const active = activate(expanded, kind);
  const inner = normPlacement === 'normformer' ? normalise(place.child('hiddenNorm'), active, norm) : active;
  return linear(place.child('contract'), inner, { features: rows.shape[1] ?? 0, initializer: initializers.contract, bias });
}
