import type { WeightSource } from '../backend/index.js';
import { TesseraeError } from '../errors/index.js';
import type { ParameterSpec } from '../modules/index.js';
import { formatShape, sameShape } from '../tensor/index.js';

/**
 * Checks that weights have what a model reads; `owner` is what the model is called in the message.
 * @throws TesseraeError `model-incompatible` naming the first weight that is missing or of another shape.
 */
export function checkModelWeights(owner: string, specs: ReadonlyMap<string, ParameterSpec>, weights: WeightSource): void {
  for (const { name, shape } of specs.values()) {
    const found = weights.types.get(name);
    if (found === undefined || !sameShape(found.shape, shape)) {
      throw new TesseraeError(
        'model-incompatible',
        `The ${owner}'s weight '${name}' should be ${formatShape(shape)} but is ${found === undefined ? 'missing' : formatShape(found.shape)}.`,
        { remedy: 'Use the weights that belong to this configuration.', details: { name } },
      );
    }
  }
}
