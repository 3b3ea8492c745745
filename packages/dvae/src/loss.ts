import {
  add,
  argMax,
  exp,
  type LossFunction,
  log,
  logSoftmax,
  multiply,
  negate,
  reduceMean,
  reduceSum,
  type Schedule,
  scheduleTensor,
  square,
  subtract,
  type Tensor,
  transpose,
} from '@tesserae/core';
import { batchUsage, countCodes } from './batch-usage.js';
import { type DvaeConfiguration, type DvaeShape, downsamplingOf } from './configuration.js';
import { decodeCodes, decodeRelaxed } from './decoder.js';
import { encode } from './encoder.js';
import { meanKl } from './kl-to-uniform.js';
import { mapPixels, negativeLogLikelihood, pixelsFromMaps } from './likelihood.js';
import { relax } from './relaxation.js';

/** The likelihood's options. */
export interface DvaeObjective {
  /** Smallest ln b (see `negativeLogLikelihood`). Default: none, as in the paper. */
  readonly minimumLogScale?: number;
  /**
   * Weight of KL(mean of q over batch and positions ‖ uniform): a code that is never chosen costs something, although each
   * position may be certain of its own (the diversity loss of wav2vec 2.0, Baevski et al. 2020, eq. 4). Keeps short trainings
   * from collapsing to a few codes. Default 0, as in the paper.
   */
  readonly usageWeight?: number;
}

/** The objective and what changes with the step. */
export interface DvaeSchedules extends DvaeObjective {
  /** τ of the relaxation. */
  readonly temperature: Schedule;
  /** β, the weight of the KL term, as the paper counts it (6.6). */
  readonly klWeight: Schedule;
}

/** KL(q(z|x) ‖ uniform) in nats, mean over positions; logits `[batch, codebook, rows, columns]`. */
export function klToUniform(logits: Tensor): Tensor {
  return meanKl(transpose(logits, [0, 2, 3, 1]));
}

/**
 * The weight of the KL a position for β = 1. The paper divides the whole loss by the number of pixel values, 256·256·3; its KL is
 * the sum over positions, 32·32. So: (H/f)(W/f) / (3 H W) = 1/(3 f²), whatever the size of the pictures: 1/192 for the paper's f = 8,
 * 1/48 for f = 4.
 */
export function klScale(configuration: DvaeShape): number {
  return 1 / (3 * downsamplingOf(configuration) ** 2);
}

/** KL(mean of q over batch and positions ‖ uniform) in nats: 0 when all codes are used alike, ln K when one is used. */
export function usageDivergence(logits: Tensor): Tensor {
  const mean = reduceMean(exp(logSoftmax(transpose(logits, [0, 2, 3, 1]))), { axes: [0, 1, 2] });
  // The smallest float32 step above 0 keeps the logarithm of an unused code finite.
  return add(reduceSum(multiply(mean, log(add(mean, 1e-8)))), Math.log(logits.shape[1] ?? 1));
}

function inputPixels(scope: Parameters<LossFunction>[0]['scope'], configuration: DvaeConfiguration, batch: number): Tensor {
  return scope.input('pixels', [batch, 3, configuration.imageSize, configuration.imageSize]);
}

/** The evidence lower bound in nats a pixel value, β = 1, whatever β is trained with: larger is better. */
function evidenceLowerBound(reconstruction: Tensor, kl: Tensor, configuration: DvaeConfiguration): Tensor {
  return negate(add(reconstruction, multiply(kl, klScale(configuration))));
}

/**
 * The training objective: −ELB a pixel value with β as scheduled, with the relaxation. Inputs of the graph: `pixels`
 * [batch, 3, size, size] in [0, 1] and `noise` [batch, codebook, rows, columns], uniform in (0, 1). Metrics, in nats a pixel value:
 * `reconstruction`, `elb` (both of the relaxation); `kl` in nats a position; `usage`, `temperature`, `klWeight`, `squaredError`;
 * `usedCodes` and `perplexity` of the batch's hard codes.
 */
export function dvaeTrainingLoss(configuration: DvaeConfiguration, batch: number, schedules: DvaeSchedules): LossFunction {
  return ({ scope, parameters, step }) => {
    const pixels = inputPixels(scope, configuration, batch);
    const mapped = mapPixels(pixels);
    const logits = encode(parameters.child('encoder'), mapped, configuration);
    const noise = scope.input('noise', logits.shape);
    const temperature = scheduleTensor(schedules.temperature, step);
    const maps = decodeRelaxed(parameters.child('decoder'), relax(logits, noise, temperature), configuration);
    const reconstruction = negativeLogLikelihood(mapped, maps, schedules.minimumLogScale);
    const kl = klToUniform(logits);
    const klWeight = scheduleTensor(schedules.klWeight, step);
    const weighted = add(reconstruction, multiply(multiply(kl, klWeight), klScale(configuration)));
    const { usageWeight = 0 } = schedules;
    const usage = usageDivergence(logits);
    return {
      loss: usageWeight === 0 ? weighted : add(weighted, multiply(usage, usageWeight)),
      metrics: {
        reconstruction,
        kl,
        elb: evidenceLowerBound(reconstruction, kl, configuration),
        usage,
        temperature,
        klWeight,
        squaredError: reduceMean(square(subtract(pixelsFromMaps(maps), pixels))),
        ...batchUsage(argMax(logits, 1), configuration.codebookSize),
      },
    };
  };
}

/**
 * What counts in the end: the same with hard codes (argmax, no noise). Besides `kl`, `elb`, `hardLoss` (the loss again) and `squaredError` it
 * gives `codeCounts` [codebook], from which usage and perplexity follow, and the reconstructed `pictures` [batch, 3, size, size].
 * With a `temperature` also `relaxedLoss`, what the training sees of the same pictures, from an input `noise` as the training's: its
 * distance to `hardLoss` is the gap that τ → 1/16 is to close (paper, Appendix A.2).
 */
export function dvaeValidationLoss(configuration: DvaeConfiguration, batch: number, objective: DvaeObjective & { readonly temperature?: Schedule } = {}): LossFunction {
  return ({ scope, parameters, step }) => {
    const pixels = inputPixels(scope, configuration, batch);
    const mapped = mapPixels(pixels);
    const logits = encode(parameters.child('encoder'), mapped, configuration);
    const codes = argMax(logits, 1);
    const maps = decodeCodes(parameters.child('decoder'), codes, configuration);
    const pictures = pixelsFromMaps(maps);
    const reconstruction = negativeLogLikelihood(mapped, maps, objective.minimumLogScale);
    const { temperature, minimumLogScale } = objective;
    const relaxed = (): Readonly<Record<string, Tensor>> => {
      if (temperature === undefined) return {};
      const softened = relax(logits, scope.input('noise', logits.shape), scheduleTensor(temperature, step));
      return { relaxedLoss: negativeLogLikelihood(mapped, decodeRelaxed(parameters.child('decoder'), softened, configuration), minimumLogScale) };
    };
    const kl = klToUniform(logits);
    const metrics = {
      kl,
      elb: evidenceLowerBound(reconstruction, kl, configuration),
      ...relaxed(),
      hardLoss: reconstruction,
      squaredError: reduceMean(square(subtract(pictures, pixels))),
      codeCounts: countCodes(codes, configuration.codebookSize),
      pictures,
    };
    return { loss: reconstruction, metrics };
  };
}
