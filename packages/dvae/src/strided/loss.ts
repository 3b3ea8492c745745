import {
  absolute,
  add,
  argMax,
  float32Array,
  type LossFunction,
  less,
  multiply,
  type ParameterScope,
  reduceMean,
  reduceSum,
  type Schedule,
  scheduleTensor,
  square,
  subtract,
  type Tensor,
  transpose,
  where,
} from '@tesserae/core';
import { batchUsage } from '../batch-usage.js';
import { klAtPlaces } from '../kl-to-uniform.js';
import { gumbelNoise, type Relaxation, relaxWith } from '../relaxation.js';
import { decodeStrided, embedRelaxed, encodeStrided, stridedCodebook } from './autoencoder.js';
import type { StridedDvaeConfiguration } from './configuration.js';

/** DALLE-pytorch's objective and its options. */
export interface StridedDvaeObjective {
  /** Mean squared error, or smooth L1 with β = 1 (smooth_l1_loss). Default 'squared'. */
  readonly reconstruction?: 'squared' | 'smooth-l1';
  /** Weight of the KL to uniform, summed over positions and pictures (kl_div_loss_weight). Default 0. */
  readonly klWeight?: number;
  /** Default 'soft'. */
  readonly relaxation?: Relaxation;
}

/** One number for the three colours, another for alpha: [channels, 1, 1]. */
function perChannel(scope: ParameterScope, channels: number, colour: number, alpha: number): Tensor {
  return scope.trace.literal(
    float32Array(
      [channels, 1, 1],
      Array.from({ length: channels }, (_, index) => (index < 3 ? colour : alpha)),
    ),
  );
}

/** [0, 1] → [−1, 1]; alpha stays (normalization, by default mean and deviation 0.5). x `[batch, channels, height, width]`. */
export function normalisePixels(x: Tensor, scope: ParameterScope): Tensor {
  const channels = x.shape[1] ?? 3;
  return subtract(multiply(x, perChannel(scope, channels, 2, 1)), perChannel(scope, channels, 1, 0));
}

/** Its inverse. */
export function pixelsFromNormalised(x: Tensor, scope: ParameterScope): Tensor {
  const channels = x.shape[1] ?? 3;
  return add(multiply(x, perChannel(scope, channels, 0.5, 1)), perChannel(scope, channels, 0.5, 0));
}

/** Mean of ½d² where |d| < 1, else |d| − ½ (PyTorch's smooth_l1_loss with β = 1). */
export function smoothL1(a: Tensor, b: Tensor): Tensor {
  const distance = absolute(subtract(a, b));
  return reduceMean(where(less(distance, 1), multiply(square(distance), 0.5), subtract(distance, 0.5)));
}

/**
 * KL(q ‖ uniform) in nats, summed over positions and pictures. The peer asks for the mean over the batch; as its target has one element it
 * gets this sum, so a weight means more with larger batches (DALLE-pytorch#99, #255).
 */
export function summedKlToUniform(logits: Tensor): Tensor {
  return reduceSum(klAtPlaces(transpose(logits, [0, 2, 3, 1])));
}

/** Loss of pixels `[batch, channels, height, width]` in [0, 1] with Gumbel noise `[batch, codebook, rows, columns]` at temperature τ. */
export function stridedLoss(
  parameters: ParameterScope,
  configuration: StridedDvaeConfiguration,
  { pixels, gumbel, temperature }: { readonly pixels: Tensor; readonly gumbel: Tensor; readonly temperature: Tensor },
  objective: StridedDvaeObjective = {},
): { readonly loss: Tensor; readonly reconstruction: Tensor; readonly kl: Tensor; readonly logits: Tensor; readonly relaxed: Tensor; readonly decoded: Tensor } {
  const { klWeight = 0, relaxation = 'soft' } = objective;
  const normal = normalisePixels(pixels, parameters);
  const logits = encodeStrided(parameters.child('encoder'), normal, configuration);
  const relaxed = relaxWith(logits, gumbel, temperature, relaxation);
  const decoded = decodeStrided(parameters.child('decoder'), embedRelaxed(stridedCodebook(parameters.child('codebook'), configuration), relaxed), configuration);
  const reconstruction = objective.reconstruction === 'smooth-l1' ? smoothL1(normal, decoded) : reduceMean(square(subtract(normal, decoded)));
  const kl = summedKlToUniform(logits);
  return { loss: klWeight === 0 ? reconstruction : add(reconstruction, multiply(kl, klWeight)), reconstruction, kl, logits, relaxed, decoded };
}

/**
 * The same for `createTrainingStep`. Inputs of the graph: `pixels` in [0, 1] and `noise`, uniform in (0, 1). Metrics: `reconstruction`, `kl`
 * (summed), `temperature`, `usedCodes` and `perplexity` of the batch's hard codes.
 */
export function stridedTrainingLoss(configuration: StridedDvaeConfiguration, batch: number, options: StridedDvaeObjective & { readonly temperature: Schedule }): LossFunction {
  return ({ scope, parameters, step }) => {
    const { imageSize, channels, codebookSize, layers } = configuration;
    const side = imageSize / 2 ** layers;
    const pixels = scope.input('pixels', [batch, channels, imageSize, imageSize]);
    const noise = scope.input('noise', [batch, codebookSize, side, side]);
    const temperature = scheduleTensor(options.temperature, step);
    const { loss, reconstruction, kl, logits } = stridedLoss(parameters, configuration, { pixels, gumbel: gumbelNoise(noise), temperature }, options);
    return { loss, metrics: { reconstruction, kl, temperature, ...batchUsage(argMax(logits, 1), codebookSize) } };
  };
}
