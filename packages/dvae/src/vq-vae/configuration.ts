import { type DvaeShape, parseDvaeShape } from '../configuration.js';
import { choice, type Fields } from '../configuration-fields.js';
import type { QuantizerConfiguration } from '../quantizer.js';

/**
 * A VQ-VAE (van den Oord et al. 2017) on the paper's encoder and decoder: where the dVAE has logits over the codebook, this has one vector
 * a place and takes the nearest of the codebook. Its codebook vectors are `decoderInput` numbers long.
 */
export interface VqVaeConfiguration extends DvaeShape {
  readonly kind: 'vq-vae';
  readonly quantizer: 'nearest' | 'nearest-normalised';
}

/** What its quantizer needs to know. */
export function vqVaeQuantizer({ codebookSize, decoderInput, quantizer }: VqVaeConfiguration): QuantizerConfiguration {
  return { codebookSize, codeWidth: decoderInput, quantizer };
}

/** Checks what a `config.json` holds. @throws TesseraeError `model-incompatible`, naming the field. */
export function parseVqVaeConfiguration(source: Fields): VqVaeConfiguration {
  return { kind: 'vq-vae', ...parseDvaeShape(source), quantizer: choice(source, 'quantizer', ['nearest', 'nearest-normalised']) };
}
