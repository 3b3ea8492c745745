import { add, conv2dLayer, multiply, type ParameterScope, relu, type Tensor } from '@tesserae/core';
import type { DvaeShape } from './configuration.js';

/**
 * A pre-activation bottleneck block: four convolutions, each after a ReLU, through a quarter of the channels; its output is
 * scaled by a small constant (paper, Appendix A) and added to x, which passes a 1×1 convolution only where the channels
 * change. No normalisation anywhere.
 */
export function residualBlock(scope: ParameterScope, x: Tensor, channels: number, filterSizes: readonly [number, number, number, number], configuration: DvaeShape): Tensor {
  const { seamless = false } = configuration;
  const bottleneck = channels / 4;
  const residual = filterSizes.reduce((value, filterSize, index) => {
    const fanIn = (value.shape[1] ?? 1) * filterSize * filterSize;
    // He et al. 2015: each convolution follows a ReLU, which halves the variance. The peers' 1/√fanIn lets a short training
    // wait for the gain of a deep chain to grow.
    return conv2dLayer(scope.child(`convolutions.${index}`), relu(value), {
      channels: index === 3 ? channels : bottleneck,
      filterSize,
      seamless,
      initializer: { kind: 'normal', deviation: Math.sqrt(2 / fanIn) },
    });
  }, x);
  const identity = x.shape[1] === channels ? x : conv2dLayer(scope.child('identity'), x, { channels, filterSize: 1 });
  return add(identity, multiply(residual, residualGain(configuration)));
}

/** The constant a block's residual is scaled by: the configured one, or 1/layers² (openai/DALL-E: 1/64). */
export function residualGain({ groups, blocksPerGroup, residualGain: configured }: DvaeShape): number {
  return configured ?? 1 / (groups * blocksPerGroup) ** 2;
}
