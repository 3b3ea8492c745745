import type { Tensor } from '../graph/index.js';
import { add, cast, divide, multiply, power, sqrt, square, subtract } from '../ops/index.js';

/** AdamW's own settings (Loshchilov and Hutter 2019). */
export interface AdamWOptions {
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
}

/** A part of the training state, of one parameter or of several together: what it was, and where it goes. */
export interface StateSlot {
  readonly before: Tensor;
  readonly assign: (after: Tensor) => void;
}

/** What AdamW subtracts from parameters at a step, without decay: a function of gradient, mean and variance. */
export function adamW(step: Tensor, learningRate: Tensor, options: AdamWOptions): (gradient: Tensor, mean: StateSlot, variance: StateSlot) => Tensor {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const count = add(cast(step, 'float32'), 1);
  // Bias corrections folded into one step size and one ε, as Adam's paper suggests at the end of its §2.
  const correction1 = subtract(1, power(add(multiply(count, 0), beta1), count));
  const correction2 = sqrt(subtract(1, power(add(multiply(count, 0), beta2), count)));
  const stepSize = divide(multiply(learningRate, correction2), correction1);
  const scaledEpsilon = multiply(correction2, epsilon);
  return (gradient, mean, variance) => {
    const newMean = add(multiply(mean.before, beta1), multiply(gradient, 1 - beta1));
    const newVariance = add(multiply(variance.before, beta2), multiply(square(gradient), 1 - beta2));
    mean.assign(newMean);
    variance.assign(newVariance);
    return multiply(stepSize, divide(newMean, add(sqrt(newVariance), scaledEpsilon)));
  };
}
