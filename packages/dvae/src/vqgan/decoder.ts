import { conv2dLayer, type ParameterScope, silu, type Tensor, upsampleNearest2d } from '@tesserae/core';
import { attentionBlock, middle, normalise, residualBlock } from './blocks.js';
import type { VqganConfiguration } from './configuration.js';

/**
 * Latents → pixels: `[batch, latentChannels, rows, columns]` → `[batch, 3, height, width]`, about [−1, 1]. Paths mirror the encoder's, level
 * numbers too: `levels.l.blocks.b` (taming's up.l.block.b), `levels.l.attention.b` (up.l.attn.b), `levels.l.upsample` (up.l.upsample.conv).
 */
export function decodeLatents(scope: ParameterScope, latents: Tensor, configuration: VqganConfiguration): Tensor {
  const { hidden, multipliers, blocksPerLevel, attentionLevels, seamless = false } = configuration;
  const lowest = multipliers.length - 1;
  let h = conv2dLayer(scope.child('input'), latents, { channels: hidden * (multipliers[lowest] ?? 1), filterSize: 3, seamless });
  h = middle(scope.child('middle'), h, configuration);
  for (let level = lowest; level >= 0; level -= 1) {
    const place = scope.child(`levels.${level}`);
    const channels = hidden * (multipliers[level] ?? 1);
    for (let block = 0; block <= blocksPerLevel; block += 1) {
      h = residualBlock(place.child(`blocks.${block}`), h, channels, configuration);
      if (attentionLevels.includes(level)) h = attentionBlock(place.child(`attention.${block}`), h, configuration);
    }
    if (level > 0) h = conv2dLayer(place.child('upsample'), upsampleNearest2d(h), { channels, filterSize: 3, seamless });
  }
  return conv2dLayer(scope.child('output'), silu(normalise(scope.child('norm'), h, configuration)), { channels: 3, filterSize: 3, seamless });
}
