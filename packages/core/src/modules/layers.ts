import type { Tensor } from '../graph/index.js';
import * as ops from '../ops/index.js';
import type { Initializer, ParameterScope } from './parameters.js';

export interface LinearOptions {
  readonly features: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Default: normal with deviation 1/√inputs. */
  readonly initializer?: Initializer;
}

/** x […, inputs]·weightᵀ + bias → […, features]. `weight` is [features, inputs], as PyTorch stores it. */
export function linear(scope: ParameterScope, x: Tensor, options: LinearOptions): Tensor {
  const inputs = x.shape[x.shape.length - 1] ?? 0;
  const weight = scope.parameter('weight', [options.features, inputs], options.initializer ?? { kind: 'normal', deviation: 1 / Math.sqrt(Math.max(1, inputs)) });
  const product = ops.matMul(x, weight, { transposeB: true });
  return options.bias === false ? product : ops.add(product, scope.parameter('bias', [options.features], { kind: 'zeros' }));
}

export interface Conv2dLayerOptions extends ops.Conv2dOptions {
  readonly channels: number;
  readonly filterSize: number;
  readonly bias?: boolean;
  readonly initializer?: Initializer;
}

/** x `[batch, in, height, width]` → `[batch, channels, …]`; `weight` is [channels, in, size, size]. */
export function conv2dLayer(scope: ParameterScope, x: Tensor, options: Conv2dLayerOptions): Tensor {
  const inputs = x.shape[1] ?? 0;
  const { channels, filterSize } = options;
  const deviation = 1 / Math.sqrt(Math.max(1, inputs * filterSize * filterSize));
  const weight = scope.parameter('weight', [channels, inputs, filterSize, filterSize], options.initializer ?? { kind: 'normal', deviation });
  const out = ops.conv2d(x, weight, options);
  return options.bias === false ? out : ops.add(out, ops.reshape(scope.parameter('bias', [channels], { kind: 'zeros' }), [channels, 1, 1]));
}

/** Layer normalisation over the last axis with parameters `weight` and `bias`. */
export function layerNormLayer(scope: ParameterScope, x: Tensor, epsilon = 1e-5): Tensor {
  const width = x.shape[x.shape.length - 1] ?? 0;
  return ops.layerNorm(x, scope.parameter('weight', [width], { kind: 'ones' }), scope.parameter('bias', [width], { kind: 'zeros' }), epsilon);
}

/** Group normalisation of `[batch, channels, height, width]`. */
export function groupNormLayer(scope: ParameterScope, x: Tensor, groups = 32, epsilon = 1e-6): Tensor {
  const channels = x.shape[1] ?? 0;
  return ops.groupNorm(x, scope.parameter('weight', [channels], { kind: 'ones' }), scope.parameter('bias', [channels], { kind: 'zeros' }), groups, epsilon);
}

export interface EmbeddingOptions {
  readonly count: number;
  readonly width: number;
  /** Default 0.02, GPT-2's. */
  readonly deviation?: number;
}

/** The embedding table `weight` [count, width], without weight decay. */
export function embeddingTable(scope: ParameterScope, options: EmbeddingOptions): Tensor {
  return scope.parameter('weight', [options.count, options.width], { kind: 'normal', deviation: options.deviation ?? 0.02 }, { decay: false });
}

/** Rows of an embedding table: int32 […] → […, width]. */
export function embedding(scope: ParameterScope, indices: Tensor, options: EmbeddingOptions): Tensor {
  return ops.gather(embeddingTable(scope, options), indices);
}
