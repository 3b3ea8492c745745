import { type ParameterScope, relu, type Tensor, transpose } from '@tesserae/core';
import { decodeEmbedded } from '../decoder.js';
import { encodeFeatures } from '../encoder.js';
import { mapPixels } from '../likelihood.js';
import { latentVectors } from '../quantizer.js';
import { type VqVaeConfiguration, vqVaeQuantizer } from './configuration.js';

/** Pixels `[batch, 3, height, width]` in [0, 1] → what is compared with the codebook, `[batch, rows, columns, decoderInput]`. */
export function encodeVqVae(root: ParameterScope, pixels: Tensor, configuration: VqVaeConfiguration): Tensor {
  const features = relu(encodeFeatures(root.child('encoder'), mapPixels(pixels), configuration));
  return latentVectors(root.child('quantizer'), features, vqVaeQuantizer(configuration));
}

/** Codebook vectors `[batch, rows, columns, decoderInput]` → the dVAE's six maps `[batch, 6, height, width]`. */
export function decodeVqVae(root: ParameterScope, vectors: Tensor, configuration: VqVaeConfiguration): Tensor {
  return decodeEmbedded(root.child('decoder'), transpose(vectors, [0, 3, 1, 2]), configuration);
}
