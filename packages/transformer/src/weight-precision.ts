import { quantiseWeights, type WeightSource } from '@tesserae/core';
import type { PriorConfiguration } from './configuration.js';
import { priorParameters } from './transformer.js';

/** How a prior's matrices can be held. */
export const weightPrecisions = ['float32', 'int8', 'int4'] as const;
export type WeightPrecision = (typeof weightPrecisions)[number];

const bitsOf = { int8: 8, int4: 4 } as const satisfies Record<Exclude<WeightPrecision, 'float32'>, 4 | 8>;

/** A prior's weights, with the matrices of blocks and heads in few bits. Tables are looked up in, and norms are small: they stay. */
export function weightsInPrecision(weights: WeightSource, configuration: PriorConfiguration, precision: WeightPrecision): WeightSource {
  if (precision === 'float32') return weights;
  const matrices = Array.from(priorParameters(configuration).values()).filter(
    ({ name, shape }) => shape.length === 2 && name.endsWith('.weight') && (name.startsWith('blocks.') || name.startsWith('head.')),
  );
  return quantiseWeights(weights, bitsOf[precision], new Set(matrices.map(({ name }) => name)));
}
