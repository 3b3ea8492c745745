import { TesseraeError } from '@tesserae/core';
import { parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { dallePytorchPrior } from './dalle-pytorch-prior.js';
import { dallePytorchVae } from './dalle-pytorch-vae.js';
import type { Family, PartReading, PeerFile, ReadingContext } from './family.js';
import { openaiDvae } from './openai-dvae.js';
import { tableIn, weightsBelow } from './reading.js';
import { tamingVqgan } from './taming-vqgan.js';

/** The image tokenizers that DALLE-pytorch wraps, and where its wrappers keep them below `vae.`: DiscreteVAE, OpenAIDiscreteVAE, VQGanVAE. */
const wrapped: readonly (readonly [prefix: string, family: Family])[] = [
  ['vae.', dallePytorchVae],
  ['vae.', openaiDvae],
  ['vae.model.', tamingVqgan],
];

function partsOf(file: PeerFile, context: ReadingContext): readonly PartReading[] {
  for (const [prefix, family] of wrapped) {
    const weights = weightsBelow(file.weights, prefix);
    if (!family.recognises(weights)) continue;
    const others = new Map(Array.from(file.weights).filter(([name]) => !name.startsWith(prefix)));
    const hyperparameters = tableIn(file.checkpoint.metadata, 'vae_params') ?? new Map();
    return family.read([{ ...file, weights, hyperparameters }], context).flatMap((tokenizer) => {
      const prior = dallePytorchPrior({ ...file, weights: others }, parseImageTokenizerConfiguration(tokenizer.configuration), context);
      return [tokenizer, prior];
    });
  }
  throw new TesseraeError('model-incompatible', `${file.name}: what it keeps under 'vae.' is none of the image tokenizers of DALLE-pytorch.`, {
    remedy: 'Use a checkpoint with DiscreteVAE, OpenAIDiscreteVAE or VQGanVAE.',
  });
}

/** `dalle.pt` of DALLE-pytorch's training script, which holds the image tokenizer and the transformer. */
export const dallePytorch: Family = {
  name: 'dalle-pytorch',
  title: "DALLE-pytorch's DALLE",
  recognises: (weights) => weights.has('to_logits.1.weight') && Array.from(weights.keys()).some((name) => name.startsWith('vae.')),
  read: (files, context) => files.flatMap((file) => partsOf(file, context)),
};
