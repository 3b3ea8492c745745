import { absolute, add, argMax, type LossFunction, matMul, multiply, reduceMean, type Schedule, scheduleTensor, square, subtract, type Tensor, transpose } from '@tesserae/core';
import { batchUsage } from '../batch-usage.js';
import { meanKl } from '../kl-to-uniform.js';
import { codebookVectors, codeScores, latentsOf, latentVectors, vectorsOf } from '../quantizer.js';
import { gumbelNoise, type Relaxation, relaxWith } from '../relaxation.js';
import { keepCodebook, type QuantizerLossOptions, quantizeStraightThrough } from '../straight-through.js';
import { type VqganConfiguration, vqganDownsampling } from './configuration.js';
import { decodeLatents } from './decoder.js';
import { encodeLatents, vqganPixels } from './encoder.js';

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
 * `gumbel`, `noise` [batch, codebook, rows, columns], uniform in (0, 1); with `revivedAfter`, `revival` [codebook], likewise. Metrics:
 * `reconstruction`, `quantization`, `usedCodes` and `perplexity` of the batch, `revived`.
 */
export function vqganTrainingLoss(configuration: VqganConfiguration, batch: number, objective: VqganObjective = {}): LossFunction {
  return (context) => {
    const { scope, parameters, step } = context;
    const { imageSize, codebookSize, quantizer } = configuration;
    const { reconstruction: kind = 'absolute', quantizerWeight = 1, temperature = { kind: 'constant', value: 1 }, relaxation = 'straight-through' } = objective;
    const place = parameters.child('quantizer');
    const target = vqganPixels(scope.input('pixels', [batch, 3, imageSize, imageSize]), configuration);
    const vectors = latentVectors(place, encodeLatents(parameters.child('encoder'), target, configuration), configuration);
    const scores = codeScores(place, vectors, configuration);

    const codes = argMax(scores, -1);
    const quantize = (): { quantized: Tensor; loss: Tensor } => {
      if (quantizer !== 'gumbel') return quantizeStraightThrough(vectors, vectorsOf(place, codes, configuration), objective);
      const side = imageSize / vqganDownsampling(configuration);
      const noise = gumbelNoise(scope.input('noise', [batch, codebookSize, side, side]));
      const relaxed = relaxWith(transpose(scores, [0, 3, 1, 2]), noise, scheduleTensor(temperature, step), relaxation);
      return { quantized: matMul(transpose(relaxed, [0, 2, 3, 1]), codebookVectors(place, configuration)), loss: meanKl(scores) };
    };
    const { quantized, loss: quantization } = quantize();
    const decoded = decodeLatents(parameters.child('decoder'), latentsOf(place, quantized, configuration), configuration);
    const difference = subtract(decoded, target);
    const reconstruction = reduceMean(kind === 'absolute' ? absolute(difference) : square(difference));
    const { placed, running, metrics } =
      quantizer === 'gumbel' ? { placed: {}, running: {}, metrics: {} } : keepCodebook(context, place, configuration, { vectors, codes }, objective);
    return {
      loss: add(reconstruction, multiply(quantization, quantizerWeight)),
      placed,
      running,
      metrics: { reconstruction, quantization, ...batchUsage(codes, codebookSize), ...metrics },
    };
  };
}
