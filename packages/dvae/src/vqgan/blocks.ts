import { add, attention, conv2dLayer, groupNormLayer, type ParameterScope, reshape, silu, type Tensor, TesseraeError, transpose } from '@tesserae/core';
import { defaultNormEpsilon, defaultNormGroups, type VqganConfiguration } from './configuration.js';

export function normalise(scope: ParameterScope, x: Tensor, { normGroups = defaultNormGroups, normEpsilon = defaultNormEpsilon }: VqganConfiguration): Tensor {
  return groupNormLayer(scope, x, normGroups, normEpsilon);
}

/**
 * Norm, swish, convolution, twice, beside a shortcut: `[batch, in, height, width]` → `[batch, channels, height, width]`. Below
 * `scope`: `norms.0`, `convolutions.0`, `norms.1`, `convolutions.1`, and where channels change `shortcut`, a 1×1 convolution.
 */
export function residualBlock(scope: ParameterScope, x: Tensor, channels: number, configuration: VqganConfiguration): Tensor {
  let h = x;
  for (const index of [0, 1]) {
    h = silu(normalise(scope.child(`norms.${index}`), h, configuration));
    h = conv2dLayer(scope.child(`convolutions.${index}`), h, { channels, filterSize: 3, seamless: configuration.seamless === true });
  }
  return add(x.shape[1] === channels ? x : conv2dLayer(scope.child('shortcut'), x, { channels, filterSize: 1 }), h);
}

/** Numbers that the weights of one attention may have, 4 GiB: each place looks at each, so they grow with the square of the picture's area. */
const mostWeights = 2 ** 30;

/** Self-attention with one head between all places of a picture. @throws TesseraeError `image-invalid` where these are too many. Below `scope`: `norm`, `query`, `key`, `value`, `output`, 1×1 convolutions. */
export function attentionBlock(scope: ParameterScope, x: Tensor, configuration: VqganConfiguration): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  if ((height * width) ** 2 > mostWeights) {
    throw new TesseraeError(
      'image-invalid',
      `The attention of this VQGAN would compare ${height}×${width} places with each other, which takes ${((height * width) ** 2 / 2 ** 28).toFixed(0)} GiB.`,
      {
        remedy: 'Use a smaller picture or cut it into pieces; tokenizers without attention and norms (dvae, strided-dvae) do so by themselves.',
      },
    );
  }
  const normal = normalise(scope.child('norm'), x, configuration);
  const places = (name: string): Tensor =>
    transpose(reshape(conv2dLayer(scope.child(name), normal, { channels, filterSize: 1 }), [batch, 1, channels, height * width]), [0, 1, 3, 2]);
  const attended = attention(places('query'), places('key'), places('value'));
  const back = reshape(transpose(attended, [0, 1, 3, 2]), [batch, channels, height, width]);
  return add(x, conv2dLayer(scope.child('output'), back, { channels, filterSize: 1 }));
}

/** What stands at the lowest resolution of both halves: block, attention, block. */
export function middle(scope: ParameterScope, x: Tensor, configuration: VqganConfiguration): Tensor {
  const channels = x.shape[1] ?? 0;
  const attended = attentionBlock(scope.child('attention'), residualBlock(scope.child('blocks.0'), x, channels, configuration), configuration);
  return residualBlock(scope.child('blocks.1'), attended, channels, configuration);
}
