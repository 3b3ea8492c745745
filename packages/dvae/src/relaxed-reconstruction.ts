import { add, matMul, multiply, type ParameterScope, sliceAxis, type Tensor, transpose } from '@tesserae/core';
import { clamp, type ImageTokenizerConfiguration, withAlpha } from './architectures.js';
import { decodeRelaxed } from './decoder.js';
import { encode } from './encoder.js';
import { mapPixels, pixelsFromMaps } from './likelihood.js';
import { codebookVectors, codeScores, latentsOf, latentVectors } from './quantizer.js';
import { relax } from './relaxation.js';
import { decodeStrided, embedRelaxed, encodeStrided, stridedCodebook } from './strided/autoencoder.js';
import { normalisePixels, pixelsFromNormalised } from './strided/loss.js';
import { decodeLatents } from './vqgan/decoder.js';
import { encodeLatents, vqganPixels } from './vqgan/encoder.js';

/**
 * Pixels `[batch, 3, height, width]` in [0, 1] → what the decoder makes of softmax((logits + g)/τ) instead of codes, of the same shape.
 * `noise` `[batch, codebook, rows, columns]`, uniform in (0, 1); `temperature` τ, a float32 scalar.
 */
export type RelaxedReconstruction = (root: ParameterScope, pixels: Tensor, noise: Tensor, temperature: Tensor) => Tensor;

/** How training sees pictures through the Gumbel-softmax relaxation; nothing where codes are the nearest codebook vectors. */
export function relaxedReconstruction(configuration: ImageTokenizerConfiguration): RelaxedReconstruction | undefined {
  switch (configuration.kind) {
    case 'dvae':
      return (root, pixels, noise, temperature) => {
        const logits = encode(root.child('encoder'), mapPixels(pixels), configuration);
        return pixelsFromMaps(decodeRelaxed(root.child('decoder'), relax(logits, noise, temperature), configuration));
      };
    case 'strided-dvae':
      return (root, pixels, noise, temperature) => {
        const logits = encodeStrided(root.child('encoder'), normalisePixels(withAlpha(pixels, configuration.channels, root), root), configuration);
        const vectors = embedRelaxed(stridedCodebook(root.child('codebook'), configuration), relax(logits, noise, temperature));
        return clamp(sliceAxis(pixelsFromNormalised(decodeStrided(root.child('decoder'), vectors, configuration), root), 1, 0, 3));
      };
    case 'vq-vae':
      return undefined;
    case 'vqgan':
      if (configuration.quantizer !== 'gumbel') return undefined;
      return (root, pixels, noise, temperature) => {
        const place = root.child('quantizer');
        const vectors = latentVectors(place, encodeLatents(root.child('encoder'), vqganPixels(pixels, configuration), configuration), configuration);
        const relaxed = relax(transpose(codeScores(place, vectors, configuration), [0, 3, 1, 2]), noise, temperature);
        const mixture = matMul(transpose(relaxed, [0, 2, 3, 1]), codebookVectors(place, configuration));
        const decoded = decodeLatents(root.child('decoder'), latentsOf(place, mixture, configuration), configuration);
        return clamp(configuration.pixelRange === 'zero-to-one' ? decoded : add(multiply(decoded, 0.5), 0.5));
      };
    default:
      return configuration satisfies never;
  }
}
