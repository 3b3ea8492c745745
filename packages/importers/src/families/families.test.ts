import { type ClipConfiguration, clipParameters } from '@tesserae/clip';
import { type ParameterSpec, sizeOf } from '@tesserae/core';
import { imageTokenizerParameters, paperDvae, type StridedDvaeConfiguration, type VqganConfiguration } from '@tesserae/dvae';
import { describe, expect, it } from 'vitest';
import { dallePytorchVaeNames } from './dalle-pytorch-vae.js';
import type { WeightName } from './family.js';
import { llamagenVqNames } from './llamagen-vq.js';
import { minDalleDetokenizerNames } from './min-dalle-detokenizer.js';
import { openaiClipNames } from './openai-clip.js';
import { openaiDvaeNames } from './openai-dvae.js';
import { tamingVqganNames } from './taming-vqgan.js';

const vqgan: VqganConfiguration = {
  kind: 'vqgan',
  imageSize: 256,
  codebookSize: 16384,
  codeWidth: 256,
  latentChannels: 256,
  hidden: 128,
  multipliers: [1, 1, 2, 2, 4],
  blocksPerLevel: 2,
  attentionLevels: [4],
  quantizer: 'nearest',
};
const strided: StridedDvaeConfiguration = { kind: 'strided-dvae', imageSize: 128, channels: 3, codebookSize: 8192, codeWidth: 512, layers: 3, residualBlocks: 2, hidden: 256 };

const vitB32: ClipConfiguration = {
  kind: 'clip',
  embedding: 512,
  imageSize: 224,
  image: { kind: 'vision-transformer', width: 768, layers: 12, heads: 12, patch: 32 },
  text: { width: 512, layers: 12, heads: 8, length: 77, vocabularySize: 49408 },
};
const resNet50: ClipConfiguration = { ...vitB32, embedding: 1024, image: { kind: 'resnet', width: 64, blocks: [3, 4, 6, 3], heads: 32 } };

/** Published sizes, counted by instantiating the peers' own classes: tensors and parameters. */
const published: readonly {
  readonly name: string;
  readonly expected: ReadonlyMap<string, ParameterSpec>;
  readonly names: Iterable<WeightName>;
  readonly tensors?: number;
  readonly parameters?: number;
}[] = [
  { name: 'openai/DALL-E', expected: imageTokenizerParameters(paperDvae), names: openaiDvaeNames(paperDvae), tensors: 74 + 76, parameters: 53_786_240 + 43_829_766 },
  { name: 'minDALL-E, first stage', expected: imageTokenizerParameters(vqgan), names: tamingVqganNames(vqgan), tensors: 343, parameters: 76_073_859 },
  {
    name: "min-dalle's detokenizer",
    expected: imageTokenizerParameters({ ...vqgan, decodesOnly: true }),
    names: minDalleDetokenizerNames(vqgan),
    tensors: 197,
    parameters: 46_709_891,
  },
  // Its file has a buffer more, `quantize.codebook_used`, of 65,536 numbers that are no parameters.
  {
    name: "LlamaGen's VQ-16",
    expected: imageTokenizerParameters({ ...vqgan, codeWidth: 8, quantizer: 'nearest-normalised' }),
    names: llamagenVqNames(vqgan),
    tensors: 343,
    parameters: 71_883_403,
  },
  {
    name: "LlamaGen's VQ-8",
    expected: imageTokenizerParameters({ ...vqgan, codeWidth: 8, multipliers: [1, 2, 2, 4], attentionLevels: [3], quantizer: 'nearest-normalised' }),
    names: llamagenVqNames({ multipliers: [1, 2, 2, 4], blocksPerLevel: 2 }),
    parameters: 70_109_835,
  },
  {
    name: "ru-dalle's VQGAN",
    expected: imageTokenizerParameters({ ...vqgan, codebookSize: 8192, multipliers: [1, 1, 2, 4], attentionLevels: [3], quantizer: 'gumbel' }),
    names: tamingVqganNames({ multipliers: [1, 1, 2, 4], blocksPerLevel: 2, quantizer: 'gumbel' }),
  },
  { name: "OpenAI's CLIP, ViT-B/32", expected: clipParameters(vitB32), names: openaiClipNames(vitB32), tensors: 302, parameters: 151_277_313 },
  // Its 489 tensors have 55 counts of steps and 55 × 2 running statistics among them, which are no parameters to the peer.
  { name: "OpenAI's CLIP, RN50", expected: clipParameters(resNet50), names: openaiClipNames(resNet50), tensors: 489 - 55 },
  { name: 'DALLE-pytorch, defaults', expected: imageTokenizerParameters(strided), names: dallePytorchVaeNames(strided) },
  {
    name: 'DALLE-pytorch without residual blocks',
    expected: imageTokenizerParameters({ ...strided, residualBlocks: 0 }),
    names: dallePytorchVaeNames({ layers: 3, residualBlocks: 0 }),
  },
];

describe.each(published)('$name', ({ expected, names, tensors, parameters }) => {
  const table = Array.from(names);

  it('has one name of its own for each of our weights', () => {
    const wanted = table.filter(({ path }) => expected.has(path));
    expect(wanted.map(({ path }) => path).sort()).toEqual([...expected.keys()].sort());
    expect(new Set(wanted.map(({ peer }) => peer)).size).toBe(wanted.length);
  });

  it('has as many tensors and parameters as the published model', () => {
    if (tensors !== undefined) expect(expected.size).toBe(tensors);
    if (parameters !== undefined) expect(Array.from(expected.values()).reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(parameters);
  });
});
