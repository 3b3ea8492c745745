import { conv2dLayer, multiply, type ParameterScope, silu, subtract, type Tensor } from '@tesserae/core';
import { attentionBlock, middle, normalise, residualBlock } from './blocks.js';
import type { VqganConfiguration } from './configuration.js';

/** Pixels in [0, 1] as the model reads them. */
export function vqganPixels(pixels: Tensor, { pixelRange }: Pick<VqganConfiguration, 'pixelRange'>): Tensor {
  return pixelRange === 'zero-to-one' ? pixels : subtract(multiply(pixels, 2), 1);
}

/**
 * Pixels → latents: x `[batch, 3, height, width]`, see `vqganPixels` → `[batch, latentChannels, height/f, width/f]`. Paths below `scope`, and
 * taming-transformers': `input` (conv_in), `levels.l.blocks.b` (down.l.block.b), `levels.l.attention.b` (down.l.attn.b),
 * `levels.l.downsample` (down.l.downsample.conv), `middle.blocks.0`, `middle.attention`, `middle.blocks.1` (mid.block_1, attn_1,
 * block_2), `norm` (norm_out), `output` (conv_out).
 */
export function encodeLatents(scope: ParameterScope, x: Tensor, configuration: VqganConfiguration): Tensor {
  const { hidden, multipliers, blocksPerLevel, attentionLevels, latentChannels, seamless = false } = configuration;
  let h = conv2dLayer(scope.child('input'), x, { channels: hidden, filterSize: 3, seamless });
  multipliers.forEach((multiplier, level) => {
    const place = scope.child(`levels.${level}`);
    for (let block = 0; block < blocksPerLevel; block += 1) {
      h = residualBlock(place.child(`blocks.${block}`), h, hidden * multiplier, configuration);
      if (attentionLevels.includes(level)) h = attentionBlock(place.child(`attention.${block}`), h, configuration);
    }
    if (level < multipliers.length - 1) {
      // Padded at the right and below only, as taming-transformers does.
      const padding = [
        [0, 1],
        [0, 1],
      ] as const;
      h = conv2dLayer(place.child('downsample'), h, { channels: hidden * multiplier, filterSize: 3, stride: 2, padding, seamless });
    }
  });
  h = silu(normalise(scope.child('norm'), middle(scope.child('middle'), h, configuration), configuration));
  return conv2dLayer(scope.child('output'), h, { channels: latentChannels, filterSize: 3, seamless });
}
