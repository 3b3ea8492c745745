import { apply, type Tensor } from '../graph/index.js';
import { normaliseAxis } from '../tensor/index.js';
import { divide, multiply, subtract } from './elementwise.js';

export interface ReductionOptions {
  /** Axes to reduce; negative ones count from the end. Default: all. */
  readonly axes?: readonly number[];
  /** Keep reduced axes with size 1. Default false. */
  readonly keepDimensions?: boolean;
}

function resolve(x: Tensor, options: ReductionOptions, where: string): { axes: number[]; keepDimensions: boolean } {
  const axes = (options.axes ?? x.shape.map((_, axis) => axis)).map((axis) => normaliseAxis(axis, x.shape.length, where));
  return { axes: [...new Set(axes)].sort((a, b) => a - b), keepDimensions: options.keepDimensions ?? false };
}

export function reduceSum(x: Tensor, options: ReductionOptions = {}): Tensor {
  const attributes = resolve(x, options, 'reduceSum');
  return attributes.axes.length === 0 ? x : apply('reduceSum', [x], attributes);
}

export function reduceMax(x: Tensor, options: ReductionOptions = {}): Tensor {
  const attributes = resolve(x, options, 'reduceMax');
  return attributes.axes.length === 0 ? x : apply('reduceMax', [x], attributes);
}

/** Arithmetic mean; NaN over no elements. */
export function reduceMean(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { axes } = resolve(x, options, 'reduceMean');
  const count = axes.reduce((product, axis) => product * (x.shape[axis] ?? 1), 1);
  return divide(reduceSum(x, options), count);
}

/** Biased variance, as normalisation layers use it. */
export function variance(x: Tensor, options: ReductionOptions = {}): Tensor {
  const centred = subtract(x, reduceMean(x, { ...options, keepDimensions: true }));
  return reduceMean(multiply(centred, centred), options);
}

/** Index of the largest value along `axis` (the first of equals), int32; the axis is removed. */
export function argMax(x: Tensor, axis = -1): Tensor {
  return apply('argMax', [x], { axis: normaliseAxis(axis, x.shape.length, 'argMax') });
}

/** Inclusive running sum. */
export function cumulativeSum(x: Tensor, axis = -1): Tensor {
  return apply('cumulativeSum', [x], { axis: normaliseAxis(axis, x.shape.length, 'cumulativeSum') });
}

/** The `count` largest values of the last axis, in descending order. */
export const topValues = (x: Tensor, count: number): Tensor => apply('topValues', [x], { count });
