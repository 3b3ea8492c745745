import { TesseraeError } from '@tesserae/core';
import { dalleMini } from './dalle-mini.js';
import { dallePytorch } from './dalle-pytorch.js';
import { dallePytorchClip } from './dalle-pytorch-clip.js';
import { dallePytorchVae } from './dalle-pytorch-vae.js';
import type { Family, Weights } from './family.js';
import { llamagenPrior } from './llamagen-prior.js';
import { llamagenVq } from './llamagen-vq.js';
import { minDalleDetokenizer } from './min-dalle-detokenizer.js';
import { minDallePrior } from './min-dalle-prior.js';
import { mindallePrior } from './mindalle-prior.js';
import { openaiClip } from './openai-clip.js';
import { openaiDvae } from './openai-dvae.js';
import { ruDalle } from './ru-dalle.js';
import { tamingVqgan } from './taming-vqgan.js';
import { vqganJax } from './vqgan-jax.js';

/** Every kind of checkpoint that can be converted. */
export const families: readonly Family[] = [
  openaiDvae,
  dallePytorchVae,
  dallePytorch,
  tamingVqgan,
  minDalleDetokenizer,
  llamagenVq,
  vqganJax,
  openaiClip,
  dallePytorchClip,
  mindallePrior,
  llamagenPrior,
  minDallePrior,
  dalleMini,
  ruDalle,
];

/** @throws TesseraeError `invalid-argument` naming those there are. */
export function familyNamed(name: string): Family {
  const found = families.find((family) => family.name === name);
  if (found !== undefined) return found;
  throw new TesseraeError('invalid-argument', `There is no kind of checkpoint '${name}'.`, {
    remedy: `Known kinds: ${families.map((family) => family.name).join(', ')}.`,
    details: { name },
  });
}

/** The kind of a file's tensors; none when nothing or more than one thing fits. */
export function recogniseFamily(weights: Weights): Family | undefined {
  const [first, second] = families.filter((family) => family.recognises(weights));
  return second === undefined ? first : undefined;
}
