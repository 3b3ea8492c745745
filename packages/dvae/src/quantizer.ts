import {
  argMax,
  conv2dLayer,
  divide,
  embeddingTable,
  gather,
  matMul,
  maximum,
  multiply,
  type ParameterScope,
  reduceSum,
  sqrt,
  square,
  subtract,
  type Tensor,
  transpose,
} from '@tesserae/core';

/**
 * How latents become codes:
 * - `nearest`: the codebook vector at the smallest Euclidean distance (VQ-VAE; taming's VQModel, minDALL-E, dalle-mini);
 * - `nearest-normalised`: the same between vectors of length 1, which is also what is decoded (LlamaGen);
 * - `gumbel`: the argmax of logits that a 1×1 convolution makes of the latents (taming's GumbelVQ, ru-dalle).
 */
export type Quantizer = 'nearest' | 'nearest-normalised' | 'gumbel';

/** What a quantizer needs to know; VQGANs' configurations are of this shape. */
export interface QuantizerConfiguration {
  readonly codebookSize: number;
  /** Length of a codebook vector. */
  readonly codeWidth: number;
  readonly quantizer: Quantizer;
}

/** Vectors along the last axis made as long as 1; PyTorch's normalize keeps what is shorter than 1e-12. */
function toUnitLength(x: Tensor): Tensor {
  return divide(x, maximum(sqrt(reduceSum(square(x), { axes: [-1], keepDimensions: true })), 1e-12));
}

/** The vectors that codes stand for: [codebookSize, codeWidth], as they are decoded. */
export function codebookVectors(scope: ParameterScope, configuration: QuantizerConfiguration): Tensor {
  const { codebookSize, codeWidth, quantizer } = configuration;
  const table = embeddingTable(scope.child('codebook'), { count: codebookSize, width: codeWidth, deviation: 1 / codebookSize });
  return quantizer === 'nearest-normalised' ? toUnitLength(table) : table;
}

/** Latents of the encoder `[batch, latentChannels, rows, columns]` → what is compared with the codebook, `[batch, rows, columns, codeWidth]`. */
export function latentVectors(scope: ParameterScope, latents: Tensor, configuration: QuantizerConfiguration): Tensor {
  const { codeWidth, quantizer } = configuration;
  const projected = transpose(conv2dLayer(scope.child('input'), latents, { channels: codeWidth, filterSize: 1 }), [0, 2, 3, 1]);
  return quantizer === 'nearest-normalised' ? toUnitLength(projected) : projected;
}

/**
 * How well each code fits each place, larger is better: `[batch, rows, columns, codebookSize]`. Minus half the squared distance, up to
 * what all codes share; for `gumbel` the logits of a 1×1 convolution (`logits`).
 */
export function codeScores(scope: ParameterScope, vectors: Tensor, configuration: QuantizerConfiguration): Tensor {
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
export function nearestCodes(scope: ParameterScope, vectors: Tensor, configuration: QuantizerConfiguration): Tensor {
  return argMax(codeScores(scope, vectors, configuration), -1);
}

/** Codebook vectors `[batch, rows, columns, codeWidth]` → what a VQGAN's decoder reads, `[batch, latentChannels, rows, columns]`. */
export function latentsOf(scope: ParameterScope, vectors: Tensor, { latentChannels }: { readonly latentChannels: number }): Tensor {
  return conv2dLayer(scope.child('output'), transpose(vectors, [0, 3, 1, 2]), { channels: latentChannels, filterSize: 1 });
}

/** Codes int32 `[batch, rows, columns]` → their vectors `[batch, rows, columns, codeWidth]`. */
export function vectorsOf(scope: ParameterScope, codes: Tensor, configuration: QuantizerConfiguration): Tensor {
  return gather(codebookVectors(scope, configuration), codes);
}
