import { layerNormLayer, multiply, type ParameterScope, rmsNorm, type Tensor } from '@tesserae/core';
import type { BlockChoices, NormKind } from './choices.js';

/** Normalisation over the last axis with learned gains, ε = 1e-5 in every peer. */
export function normalise(place: ParameterScope, x: Tensor, kind: NormKind): Tensor {
  switch (kind) {
    case 'layer':
      return layerNormLayer(place, x);
    case 'rms':
      return rmsNorm(x, place.parameter('weight', [x.shape[x.shape.length - 1] ?? 0], { kind: 'ones' }));
    default:
      return kind satisfies never;
  }
}

/** First values of LayerScale by depth (Touvron et al. 2021, §3.2). */
function firstScale(layer: number): number {
  if (layer < 18) return 0.1;
  return layer < 24 ? 1e-5 : 1e-6;
}

/** What a part of a block (attention or feed-forward) adds to the residual stream: norm → part → [norm] → [scale]. */
export function residualPart(place: ParameterScope, choices: BlockChoices, x: Tensor, layer: number, kind: 'attention' | 'feedForward', part: (normal: Tensor) => Tensor): Tensor {
  const made = part(normalise(place.child('norm'), x, choices.norm));
  const isNormalised = choices.normPlacement === 'sandwich' || (choices.normPlacement === 'normformer' && kind === 'attention');
  const normal = isNormalised ? normalise(place.child('outputNorm'), made, choices.norm) : made;
  if (!choices.layerScale) return normal;
  return multiply(normal, place.parameter('scale', [x.shape[x.shape.length - 1] ?? 0], { kind: 'constant', value: firstScale(layer) }));
}
