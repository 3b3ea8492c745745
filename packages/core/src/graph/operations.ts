import type { DType, HostArray, Shape } from '../tensor/index.js';
import type { Graph } from './graph.js';

/** For operations that are told everything by their inputs. */
export type NoAttributes = Readonly<Record<never, never>>;

/** Rows of zeros (or a value) before and after each spatial axis: `[[top, bottom], [left, right]]`. */
export type Padding2d = readonly [readonly [number, number], readonly [number, number]];

export interface Conv2dAttributes {
  readonly strides: readonly [number, number];
  readonly padding: Padding2d;
  /** Distance between the taps of the filter, 1 for a dense one. */
  readonly dilations: readonly [number, number];
}

/**
 * Every primitive and what it needs besides its inputs. Shapes: see `infer-type.ts`.
 * Elementwise binary operations and `where` broadcast as NumPy does.
 */
export interface PrimitiveAttributes {
  // Leaves: the three kinds of value a program reads, and numbers written into the graph itself.
  readonly input: { readonly name: string };
  readonly state: { readonly name: string };
  readonly constant: { readonly name: string };
  readonly literal: { readonly array: HostArray };
  /** 0, 1, 2, … along `axis`, int32. */
  readonly iota: { readonly axis: number; readonly shape: Shape };

  // Elementwise, one input.
  readonly negate: NoAttributes;
  readonly absolute: NoAttributes;
  readonly sign: NoAttributes;
  readonly exp: NoAttributes;
  readonly log: NoAttributes;
  readonly sqrt: NoAttributes;
  readonly sin: NoAttributes;
  readonly cos: NoAttributes;
  readonly tanh: NoAttributes;
  readonly erf: NoAttributes;
  readonly sigmoid: NoAttributes;
  readonly floor: NoAttributes;
  readonly logicalNot: NoAttributes;
  /** The identity, with gradient zero. */
  readonly stopGradient: NoAttributes;
  /** float → int32 truncates toward zero; number → bool is "not 0"; bool → number is 0 or 1. */
  readonly cast: { readonly dtype: DType };

  // Elementwise, two inputs.
  readonly add: NoAttributes;
  readonly subtract: NoAttributes;
  readonly multiply: NoAttributes;
  /** float32 only. */
  readonly divide: NoAttributes;
  readonly maximum: NoAttributes;
  readonly minimum: NoAttributes;
  /** float32 only; a base below 0 gives NaN unless the exponent is whole. */
  readonly power: NoAttributes;
  readonly equal: NoAttributes;
  readonly less: NoAttributes;
  readonly lessOrEqual: NoAttributes;
  readonly logicalAnd: NoAttributes;
  readonly logicalOr: NoAttributes;

  /** `where(condition: bool, whenTrue, whenFalse)`. */
  readonly where: NoAttributes;

  // Reductions. Over an empty axis: sum 0, maximum −∞ (float32) or −2³¹ (int32).
  readonly reduceSum: { readonly axes: readonly number[]; readonly keepDimensions: boolean };
  readonly reduceMax: { readonly axes: readonly number[]; readonly keepDimensions: boolean };
  /** Index of the largest value along `axis` (removed), int32; the first of equals. */
  readonly argMax: { readonly axis: number };
  /** Inclusive running sum along `axis`. */
  readonly cumulativeSum: { readonly axis: number };
  /** The `count` largest values of the last axis, descending. float32. */
  readonly topValues: { readonly count: number };

  // Shape.
  readonly reshape: { readonly shape: Shape };
  /** Output axis i is input axis permutation[i]. */
  readonly transpose: { readonly permutation: readonly number[] };
  readonly broadcastTo: { readonly shape: Shape };
  /** Elements start, start+stride, … (size of them) of each axis; strides are positive. */
  readonly slice: { readonly starts: readonly number[]; readonly sizes: readonly number[]; readonly strides: readonly number[] };
  readonly pad: { readonly low: readonly number[]; readonly high: readonly number[]; readonly value: number };
  readonly concat: { readonly axis: number };
  readonly reverse: { readonly axes: readonly number[] };

  // Linear algebra and convolution.
  /** `[…, m, k] × […, k, n]`; leading axes broadcast; a transpose flag swaps the last two axes of that input first. */
  readonly matMul: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** `[batch, in, height, width] ⋆ [out, in, filterHeight, filterWidth]` (cross-correlation, as every peer). */
  readonly conv2d: Conv2dAttributes;

  // Indexing.
  /** Slices of `inputs[0]` along `axis` at the int32 `inputs[1]`, whose axes replace `axis`. Indices must be in range. */
  readonly gather: { readonly axis: number };
  /** zeros([size, …]) with row `inputs[0][i]` increased by `inputs[1][i]`; repeated indices add up. */
  readonly scatterAdd: { readonly size: number };

  /**
   * Runs `body` `count` times. Inputs: the carried values' first values, then the captured ones.
   * Body inputs: `iteration` (int32 scalar), `carried.0…`, `captured.0…`; body outputs: `carried.0…`, `stacked.0…`.
   * Results (read by `loopResult`): the last carried values, then the stacked ones with a new first axis of size `count`.
   */
  readonly loop: { readonly body: Graph; readonly count: number; readonly carried: number };
  readonly loopResult: { readonly index: number };
}

/**
 * Operations that carry a decomposition into primitives (`ops/decompose.ts`); a backend may claim one whole.
 */
export interface CompositeAttributes {
  /** Over the last axis. */
  readonly softmax: NoAttributes;
  /** softmax's numbers, over the last axis: exp(x − log Σ exp x), where gradients take the logarithm for a constant. */
  readonly normalisedExp: NoAttributes;
  readonly logSoftmax: NoAttributes;
  /** (x, gain, bias), over the last axis; biased variance. */
  readonly layerNorm: { readonly epsilon: number };
  /** (x, gain), over the last axis. */
  readonly rmsNorm: { readonly epsilon: number };
  /** (x [batch, channels, height, width], gain [channels], bias [channels]). */
  readonly groupNorm: { readonly groups: number; readonly epsilon: number };
  readonly relu: NoAttributes;
  /** exact: x·Φ(x); tanh: Hendrycks and Gimpel's approximation; quick: x·σ(1.702 x). */
  readonly gelu: { readonly approximation: 'exact' | 'tanh' | 'quick' };
  readonly silu: NoAttributes;
  /** Inputs q, k, v `[batch, heads, length, headSize]` and an optional bool mask that broadcasts to the scores (true = may look). */
  readonly attention: { readonly scale: number };
  /** (logits […, classes], labels int32 […]) → −log p(label) […]. */
  readonly crossEntropy: NoAttributes;
  /** (logits, labels, gradient of the output […]) → gradient of crossEntropy's logits: (softmax − one at the label)·gradient. */
  readonly crossEntropyGradient: NoAttributes;
  /** int32 […] → float32 […, depth]. */
  readonly oneHot: { readonly depth: number };
  /** (x, part, start int32 scalar) → x with `part` in place of as much along `axis` from `start` on; it must fit in. */
  readonly replaceSlice: { readonly axis: number };
  /** Non-overlapping windows of size×size; height and width must divide. */
  readonly maxPool2d: { readonly size: number };
  /** The sum of each size×size window; height and width must divide. What the gradients of the other two are made of. */
  readonly sumPool2d: { readonly size: number };
  readonly upsampleNearest2d: { readonly factor: number };
  /** (gradient of the output, filter) → gradient of conv2d's input. */
  readonly conv2dInputGradient: Conv2dAttributes & { readonly inputShape: Shape };
  /** (input, gradient of the output) → gradient of conv2d's filter. */
  readonly conv2dFilterGradient: Conv2dAttributes & { readonly filterShape: Shape };
}

export type PrimitiveName = keyof PrimitiveAttributes;
export type CompositeName = keyof CompositeAttributes;
export type OperationAttributes = PrimitiveAttributes & CompositeAttributes;
export type OperationName = keyof OperationAttributes;

/** An exhaustive list, checked by the compiler: forgetting an operation, or listing one that does not exist, is an error. */
const compositeNames: Readonly<Record<CompositeName, true>> = {
  softmax: true,
  normalisedExp: true,
  logSoftmax: true,
  layerNorm: true,
  rmsNorm: true,
  groupNorm: true,
  relu: true,
  gelu: true,
  silu: true,
  attention: true,
  crossEntropy: true,
  crossEntropyGradient: true,
  oneHot: true,
  replaceSlice: true,
  maxPool2d: true,
  sumPool2d: true,
  upsampleNearest2d: true,
  conv2dInputGradient: true,
  conv2dFilterGradient: true,
};

export function isComposite(operation: OperationName): operation is CompositeName {
  return Object.hasOwn(compositeNames, operation);
}
