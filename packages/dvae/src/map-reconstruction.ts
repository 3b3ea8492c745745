import { divide, reduceMean, sigmoid, sliceAxis, square, subtract, type Tensor } from '@tesserae/core';
import { negativeLogLikelihood, pixelMargin } from './likelihood.js';

/** How far the decoder's six maps are from a picture. */
export interface MapReconstruction {
  /**
   * `squared` (default): the mean squared error of pixels in [0, 1], divided by `pixelVariance`. `logit-laplace`: the dVAE paper's negative
   * log-likelihood.
   */
  readonly reconstruction?: 'squared' | 'logit-laplace';
  /** What squared errors are divided by, so that they weigh as much as the terms beside them. Default 1. */
  readonly pixelVariance?: number;
  /** Smallest ln b of the likelihood (`negativeLogLikelihood`). Default: none. */
  readonly minimumLogScale?: number;
}

/** The mean squared error of pixels in [0, 1]. Taken before they are clamped to that range: a clamped pixel would have no gradient. */
export function squaredErrorOfMaps(maps: Tensor, mapped: Tensor): Tensor {
  return reduceMean(square(divide(subtract(sigmoid(sliceAxis(maps, 1, 0, 3)), mapped), 1 - 2 * pixelMargin)));
}

/** A scalar from maps `[batch, 6, height, width]` and mapped pixels `[batch, 3, height, width]`. */
export function reconstructionOfMaps(maps: Tensor, mapped: Tensor, { reconstruction = 'squared', pixelVariance = 1, minimumLogScale }: MapReconstruction): Tensor {
  switch (reconstruction) {
    case 'squared':
      return divide(squaredErrorOfMaps(maps, mapped), pixelVariance);
    case 'logit-laplace':
      return negativeLogLikelihood(mapped, maps, minimumLogScale);
    default:
      return reconstruction satisfies never;
  }
}
