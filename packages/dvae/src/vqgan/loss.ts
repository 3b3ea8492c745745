import {
  absolute,
  add,
  argMax,
  exp,
  type LossFunction,
  log,
  matMul,
  multiply,
  oneHot,
  reduceMean,
  reduceSum,
  type Schedule,
  scheduleTensor,
  square,
  subtract,
  type Tensor,
  transpose,
} from '@tesserae/core';
import { meanKl } from '../kl-to-uniform.js';
import { gumbelNoise, type Relaxation, relaxWith } from '../relaxation.js';
import { type VqganConfiguration, vqganDownsampling } from './configuration.js';
import { decodeLatents } from './decoder.js';
import { encodeLatents, vqganPixels } from './encoder.js';
import { codebookVectors, codeScores, latentsOf, latentVectors, type QuantizerLossOptions, quantizeStraightThrough, vectorsOf } from './quantizer.js';

/** How a VQGAN's autoencoder is trained without its discriminator and its perceptual loss. */
export interface VqganObjective extends QuantizerLossOptions {
  /** Mean absolute or mean squared error of pixels in the model's range. Default 'absolute', taming-transformers'. */
  readonly reconstruction?: 'absolute' | 'squared';
  /** Of the codebook and commitment terms together, or, for `gumbel`, of the KL to uniform. Default 1; taming's GumbelVQ has 5e-4. */
  readonly quantizerWeight?: number;
  /** τ of the `gumbel` quantizer. Default: 1. */
  readonly temperature?: Schedule;
  /** How the `gumbel` quantizer's samples carry a gradient. Default 'straight-through', taming-transformers'. */
  readonly relaxation?: Relaxation;
}

/**
 * Reconstruction plus what keeps latents and codebook together. Inputs of the graph: `pixels` [batch, 3, size, size] in [0, 1] and, for
 * `gumbel`, `noise` [batch, codebook, rows, columns], uniform in (0, 1). Metrics: `reconstruction`, `quantization`, `perplexity` of the codes of
 * the batch.
 */
export function vqganTrainingLoss(configuration: VqganConfiguration, batch: number, objective: VqganObjective = {}): LossFunction {
  return ({ scope, parameters, step }) => {
    const { imageSize, codebookSize, quantizer } = configuration;
    const { reconstruction: kind = 'absolute', quantizerWeight = 1, temperature = { kind: 'constant', value: 1 }, relaxation = 'straight-through' } = objective;
    const place = parameters.child('quantizer');
    const target = vqganPixels(scope.input('pixels', [batch, 3, imageSize, imageSize]), configuration);
    const vectors = latentVectors(place, encodeLatents(parameters.child('encoder'), target, configuration), configuration);
    const scores = codeScores(place, vectors, configuration);

    const quantize = (): { quantized: Tensor; loss: Tensor } => {
      if (quantizer !== 'gumbel') return quantizeStraightThrough(vectors, vectorsOf(place, argMax(scores, -1), configuration), objective);
      const side = imageSize / vqganDownsampling(configuration);
      const noise = gumbelNoise(scope.input('noise', [batch, codebookSize, side, side]));
      const relaxed = relaxWith(transpose(scores, [0, 3, 1, 2]), noise, scheduleTensor(temperature, step), relaxation);
      return { quantized: matMul(transpose(relaxed, [0, 2, 3, 1]), codebookVectors(place, configuration)), loss: meanKl(scores) };
    };
    const { quantized, loss: quantization } = quantize();
    const decoded = decodeLatents(parameters.child('decoder'), latentsOf(place, quantized, configuration), configuration);
    const difference = subtract(decoded, target);
    const reconstruction = reduceMean(kind === 'absolute' ? absolute(difference) : square(difference));
    return {
      loss: add(reconstruction, multiply(quantization, quantizerWeight)),
      metrics: { reconstruction, quantization, perplexity: batchPerplexity(argMax(scores, -1), codebookSize) },
    };
  };
}

/** exp of the entropy of the codes int32 `[batch, rows, columns]` of a batch: how many codes are used alike. */
function batchPerplexity(codes: Tensor, codebookSize: number): Tensor {
  const shares = reduceMean(oneHot(codes, codebookSize), { axes: [0, 1, 2] });
  return exp(multiply(reduceSum(multiply(shares, log(add(shares, 1e-12)))), -1));
}
