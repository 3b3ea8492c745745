import { formatShape, sameShape, TesseraeError, type WeightSource } from '@tesserae/core';
import type { PriorConfiguration } from './configuration.js';
import { priorParameters } from './transformer.js';

/** @throws TesseraeError `model-incompatible` naming the first weight that is missing or of another shape. */
export function checkWeights(configuration: PriorConfiguration, weights: WeightSource): void {
  for (const { name, shape } of priorParameters(configuration).values()) {
    const found = weights.types.get(name);
    if (found === undefined || !sameShape(found.shape, shape)) {
      throw new TesseraeError(
        'model-incompatible',
        `The prior's weight '${name}' should be ${formatShape(shape)} but is ${found === undefined ? 'missing' : formatShape(found.shape)}.`,
        {
          remedy: 'Use the weights that belong to this configuration.',
          details: { name },
        },
      );
    }
  }
}
