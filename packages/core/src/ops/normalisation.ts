import { apply, type Tensor } from '../graph/index.js';

/** Over the last axis. */
export const softmax = (x: Tensor): Tensor => apply('softmax', [x], {});
/**
 * The numbers of `softmax` with a shorter gradient: exp(x − c), where c, which brings a row's sum to one, counts as a constant. Right where what is made of
 * a row does not change when the row is multiplied by a number: weights that are divided by their own sum later on.
 */
export const normalisedExp = (x: Tensor): Tensor => apply('normalisedExp', [x], {});
export const logSoftmax = (x: Tensor): Tensor => apply('logSoftmax', [x], {});

/** (x − mean)/√(variance + ε)·gain + bias over the last axis (Ba et al. 2016). */
export const layerNorm = (x: Tensor, gain: Tensor, bias: Tensor, epsilon = 1e-5): Tensor => apply('layerNorm', [x, gain, bias], { epsilon });

/** x/√(mean(x²) + ε)·gain over the last axis (Zhang and Sennrich 2019). */
export const rmsNorm = (x: Tensor, gain: Tensor, epsilon = 1e-5): Tensor => apply('rmsNorm', [x, gain], { epsilon });

/** x `[batch, channels, height, width]` normalised in groups of channels (Wu and He 2018). */
export const groupNorm = (x: Tensor, gain: Tensor, bias: Tensor, groups: number, epsilon = 1e-6): Tensor => apply('groupNorm', [x, gain, bias], { groups, epsilon });
