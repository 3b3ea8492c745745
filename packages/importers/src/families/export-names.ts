import { TesseraeError } from '@tesserae/core';
import type { ImageTokenizerConfiguration } from '@tesserae/dvae';
import { dallePytorchVaeNames } from './dalle-pytorch-vae.js';
import type { WeightName } from './family.js';
import { llamagenVqNames } from './llamagen-vq.js';
import { minDalleDetokenizerNames } from './min-dalle-detokenizer.js';
import { openaiDvaeNames } from './openai-dvae.js';
import { tamingVqganNames } from './taming-vqgan.js';

/**
 * The family whose code can load an image tokenizer of a configuration, and its names of the weights.
 * @throws TesseraeError `invalid-argument` where there is none.
 */
export function exportNames(configuration: ImageTokenizerConfiguration): { readonly family: string; readonly names: Iterable<WeightName> } {
  if (configuration.seamless === true) {
    throw new TesseraeError('invalid-argument', "This image tokenizer's convolutions go on at the opposite edge; the peers' code would pad with zeros and give other pictures.", {
      remedy: 'Export it as ONNX.',
    });
  }
  switch (configuration.kind) {
    case 'dvae':
      return { family: 'openai-dvae', names: openaiDvaeNames(configuration) };
    case 'strided-dvae':
      return { family: 'dalle-pytorch-vae', names: dallePytorchVaeNames(configuration) };
    case 'vq-vae':
      throw new TesseraeError('invalid-argument', "A VQ-VAE of the paper's shape is nobody else's: there is no code that could load its weights by name.", {
        remedy: 'Export it as ONNX.',
      });
    case 'vqgan':
      if (configuration.decodesOnly === true) return { family: 'min-dalle-detokenizer', names: minDalleDetokenizerNames(configuration) };
      if (configuration.quantizer === 'nearest-normalised') return { family: 'llamagen-vq', names: llamagenVqNames(configuration) };
      return { family: 'taming-vqgan', names: tamingVqganNames(configuration) };
    default:
      return configuration satisfies never;
  }
}
