import {
  add,
  argMax,
  conv2dLayer,
  divide,
  embeddingTable,
  gather,
  matMul,
  maximum,
  multiply,
  type ParameterScope,
  reduceMean,
  reduceSum,
  sqrt,
  square,
  stopGradient,
  subtract,
  type Tensor,
  transpose,
} from '@tesserae/core';
import type { VqganConfiguration } from './configuration.js';

/** Vectors along the last axis made as long as 1; PyTorch's normalize keeps what is shorter than 1e-12. */
function toUnitLength(x: Tensor): Tensor {
  return divide(x, maximum(sqrt(reduceSum(square(x), { axes: [-1], keepDimensions: true })), 1e-12));
}

/** The vectors that codes stand for: [codebookSize, codeWidth], as they are decoded. */
export function codebookVectors(scope: ParameterScope, configuration: VqganConfiguration): Tensor {
  const { codebookSize, codeWidth, quantizer } = configuration;
  const table = embeddingTable(scope.child('codebook'), { count: codebookSize, width: codeWidth, deviation: 1 / codebookSize });
  return quantizer === 'nearest-normalised' ? toUnitLength(table) : table;
}

/** Latents of the encoder `[batch, latentChannels, rows, columns]` → what is compared with the codebook, `[batch, rows, columns, codeWidth]`. */
export function latentVectors(scope: ParameterScope, latents: Tensor, configuration: VqganConfiguration): Tensor {
  const { codeWidth, quantizer } = configuration;
  const projected = transpose(conv2dLayer(scope.child('input'), latents, { channels: codeWidth, filterSize: 1 }), [0, 2, 3, 1]);
  return quantizer === 'nearest-normalised' ? toUnitLength(projected) : projected;
}

/**
 * How well each code fits each place, larger is better: `[batch, rows, columns, codebookSize]`. Minus half the squared distance, up to
 * what all codes share; for `gumbel` the logits of a 1×1 convolution (`logits`).
 */
export function codeScores(scope: ParameterScope, vectors: Tensor, configuration: VqganConfiguration): Tensor {
  const { codebookSize, quantizer } = configuration;
  switch (quantizer) {
    case 'gumbel':
      return transpose(conv2dLayer(scope.child('logits'), transpose(vectors, [0, 3, 1, 2]), { channels: codebookSize, filterSize: 1 }), [0, 2, 3, 1]);
    case 'nearest':
    case 'nearest-normalised': {
      const codebook = codebookVectors(scope, configuration);
      return subtract(matMul(vectors, codebook, { transposeB: true }), multiply(reduceSum(square(codebook), { axes: [-1] }), 0.5));
    }
    default:
      return quantizer satisfies never;
  }
}

/** int32 `[batch, rows, columns]`: the code that fits best, without noise. */
export function nearestCodes(scope: ParameterScope, vectors: Tensor, configuration: VqganConfiguration): Tensor {
  return argMax(codeScores(scope, vectors, configuration), -1);
}

/** Codebook vectors `[batch, rows, columns, codeWidth]` → what the decoder reads, `[batch, latentChannels, rows, columns]`. */
export function latentsOf(scope: ParameterScope, vectors: Tensor, configuration: VqganConfiguration): Tensor {
  return conv2dLayer(scope.child('output'), transpose(vectors, [0, 3, 1, 2]), { channels: configuration.latentChannels, filterSize: 1 });
}

/** Codes int32 `[batch, rows, columns]` → their vectors `[batch, rows, columns, codeWidth]`. */
export function vectorsOf(scope: ParameterScope, codes: Tensor, configuration: VqganConfiguration): Tensor {
  return gather(codebookVectors(scope, configuration), codes);
}

/** How strongly codebook vectors and latents are drawn to each other. */
export interface QuantizerLossOptions {
  /** Moves codebook vectors to the latents. Default 1 (van den Oord et al. 2017, eq. 3); taming-transformers' VQModel has 0.25. */
  readonly codebookWeight?: number;
  /** β: moves latents to their codebook vectors. Default 0.25; taming-transformers' VQModel, which exchanged the two, has 1. */
  readonly commitmentWeight?: number;
}

/**
 * The nearest codebook vectors in training: `quantized` has their values and hands its gradient straight through to `vectors`. `loss` draws
 * both together, each term the mean over all numbers.
 */
export function quantizeStraightThrough(vectors: Tensor, nearest: Tensor, options: QuantizerLossOptions = {}): { readonly quantized: Tensor; readonly loss: Tensor } {
  const { codebookWeight = 1, commitmentWeight = 0.25 } = options;
  const apart = (a: Tensor, b: Tensor): Tensor => reduceMean(square(subtract(a, b)));
  return {
    quantized: add(vectors, stopGradient(subtract(nearest, vectors))),
    loss: add(multiply(apart(nearest, stopGradient(vectors)), codebookWeight), multiply(apart(stopGradient(nearest), vectors), commitmentWeight)),
  };
}
