import { absolute, add, divide, exp, log, maximum, minimum, multiply, negate, reduceMean, sigmoid, sliceAxis, subtract, type Tensor } from '@tesserae/core';

/** Keeps pixels away from 0 and 1, where the logit-Laplace density has no support (paper, Appendix A.3). */
export const pixelMargin = 0.1;

/** Pixels in [0, 1] → (ε, 1−ε). */
export function mapPixels(x: Tensor): Tensor {
  return add(multiply(x, 1 - 2 * pixelMargin), pixelMargin);
}

/** Six output maps → pixels in [0, 1]: the location μ through the sigmoid, the inverse pixel map, clamped. ln b is not needed. */
export function pixelsFromMaps(maps: Tensor): Tensor {
  const mapped = sigmoid(sliceAxis(maps, 1, 0, 3));
  return minimum(maximum(divide(subtract(mapped, pixelMargin), 1 - 2 * pixelMargin), 0), 1);
}

/**
 * −ln of the logit-Laplace density of mapped pixels `[batch, 3, height, width]` under maps `[batch, 6, height, width]`,
 * mean over all values: ln 2 + ln b + ln x + ln(1−x) + |logit(x) − μ|/b (paper, eq. 2). A density: it may be negative.
 * @param minimumLogScale smallest ln b. Without it the density of pictures with perfectly flat areas has no bound, and the
 * gradient goes to their last decimals instead of to their shapes.
 */
export function negativeLogLikelihood(mapped: Tensor, maps: Tensor, minimumLogScale?: number): Tensor {
  const location = sliceAxis(maps, 1, 0, 3);
  const freeLogScale = sliceAxis(maps, 1, 3, 3);
  const logScale = minimumLogScale === undefined ? freeLogScale : maximum(freeLogScale, minimumLogScale);
  const [logX, logRest] = [log(mapped), log(subtract(1, mapped))];
  const distance = multiply(absolute(subtract(subtract(logX, logRest), location)), exp(negate(logScale)));
  return reduceMean(add(add(add(logScale, Math.log(2)), add(logX, logRest)), distance));
}
