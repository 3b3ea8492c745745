import type { Tensor, TraceScope } from '../graph/index.js';
import type { ParameterTree } from '../modules/index.js';
import { add, cast, divide, maximum, minimum, multiply, power, reduceSum, sqrt, square, subtract } from '../ops/index.js';
import type { Schedule } from './schedules.js';

/** AdamW (Loshchilov and Hutter 2019): decay is decoupled from the gradient and scaled by the learning rate. */
export interface AdamWOptions {
  readonly learningRate: Schedule;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Default 0. Applies to parameters whose spec says `decay`. */
  readonly weightDecay?: number;
  /** Gradients are scaled down to this global norm. Default: no clipping. */
  readonly clipNorm?: number;
  /** Keeps an exponential moving average of the parameters. Default: none. */
  readonly ema?: number;
}

/** Where the optimiser keeps what belongs to a parameter. */
export const stateNames = {
  step: 'optimizer.step',
  mean: (parameter: string): string => `optimizer.mean.${parameter}`,
  variance: (parameter: string): string => `optimizer.variance.${parameter}`,
  average: (parameter: string): string => `ema.${parameter}`,
} as const;

/**
 * The average's decay at a step: 0.1 at the first, rising to the wanted one, so that a short training is not dominated by
 * its initial values (the rule of TensorFlow's ExponentialMovingAverage `num_updates`).
 */
export function averageDecay(decay: number, step: Tensor): Tensor {
  const at = cast(step, 'float32');
  return minimum(divide(add(at, 1), add(at, 10)), decay);
}

/** Euclidean norm over all gradients. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  const [first, ...rest] = gradients.map((gradient) => reduceSum(square(gradient)));
  if (first === undefined) throw new RangeError('globalNorm of no gradients');
  return sqrt(rest.reduce((sum, term) => add(sum, term), first));
}

/** Appends one AdamW update of every parameter of the tree to the trace. Gives the gradient norm before clipping. */
export function adamW(scope: TraceScope, tree: ParameterTree, gradientOf: ReadonlyMap<string, Tensor>, step: Tensor, learningRate: Tensor, options: AdamWOptions): Tensor {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, clipNorm, ema } = options;
  const norm = globalNorm([...gradientOf.values()]);
  const clip = clipNorm === undefined ? undefined : minimum(divide(clipNorm, maximum(norm, 1e-12)), 1);
  const count = add(cast(step, 'float32'), 1);
  // Bias corrections folded into one step size and one ε, as Adam's paper suggests at the end of its §2.
  const correction1 = subtract(1, power(add(multiply(count, 0), beta1), count));
  const correction2 = sqrt(subtract(1, power(add(multiply(count, 0), beta2), count)));
  const stepSize = divide(multiply(learningRate, correction2), correction1);
  const scaledEpsilon = multiply(correction2, epsilon);
  const decay = ema === undefined ? undefined : averageDecay(ema, step);

  for (const [name, parameter] of tree.tensors) {
    const raw = gradientOf.get(name);
    const spec = tree.specs.get(name);
    if (raw === undefined || spec === undefined) continue;
    const gradient = clip === undefined ? raw : multiply(raw, clip);
    const mean = scope.state(stateNames.mean(name), parameter.shape);
    const second = scope.state(stateNames.variance(name), parameter.shape);
    const newMean = add(multiply(mean, beta1), multiply(gradient, 1 - beta1));
    const newSecond = add(multiply(second, beta2), multiply(square(gradient), 1 - beta2));
    const change = multiply(stepSize, divide(newMean, add(sqrt(newSecond), scaledEpsilon)));
    const shrunk = spec.decay && weightDecay > 0 ? multiply(parameter, subtract(1, multiply(learningRate, weightDecay))) : parameter;
    const updated = subtract(shrunk, change);
    scope.assign(stateNames.mean(name), newMean);
    scope.assign(stateNames.variance(name), newSecond);
    scope.assign(name, updated);
    if (decay !== undefined) {
      const average = scope.state(stateNames.average(name), parameter.shape);
      scope.assign(stateNames.average(name), add(multiply(average, decay), multiply(updated, subtract(1, decay))));
    }
  }
  return norm;
}
