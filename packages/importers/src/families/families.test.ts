import { type ClipConfiguration, clipParameters } from '@tesserae/clip';
import { type ParameterSpec, sizeOf } from '@tesserae/core';
import { imageTokenizerParameters, paperDvae, type StridedDvaeConfiguration, type VqganConfiguration } from '@tesserae/dvae';
import { type PriorConfiguration, priorParameters } from '@tesserae/transformer';
import { describe, expect, it } from 'vitest';
import { dalleMiniNames } from './dalle-mini.js';
import { dalleMiniConfiguration } from './dalle-mini-network.js';
import { dallePytorchVaeNames } from './dalle-pytorch-vae.js';
import type { WeightName } from './family.js';
import { llamagenPriorNames } from './llamagen-prior.js';
import { llamagenVqNames } from './llamagen-vq.js';
import { minDalleDetokenizerNames } from './min-dalle-detokenizer.js';
import { minDallePriorNames } from './min-dalle-prior.js';
import { mindallePriorNames } from './mindalle-prior.js';
import { openaiClipNames } from './openai-clip.js';
import { openaiDvaeNames } from './openai-dvae.js';
import { ruDalleNames, ruDallePatterns } from './ru-dalle.js';
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

const minDalle: PriorConfiguration = {
  kind: 'prior',
  width: 1536,
  layers: 42,
  heads: 24,
  textVocabularySize: 16384,
  textLength: 64,
  grid: { rows: 16, columns: 16 },
  codebookSize: 16384,
  attention: 'full',
  condition: { kind: 'text', start: 'none', padding: 0 },
  positions: 'learned',
  block: { biases: { head: false } },
};

const mini = dalleMiniConfiguration({ width: 1024, layers: 12, encoderLayers: 12, hidden: 2730, textVocabularySize: 50264, textLength: 64, side: 16, imageVocabularySize: 16385 });
const mega = dalleMiniConfiguration({ width: 2048, layers: 24, encoderLayers: 24, hidden: 4096, textVocabularySize: 50272, textLength: 64, side: 16, imageVocabularySize: 16416 });

/** LlamaGen, told one of 1000 classes: layers, heads, width, inside the feed-forward layers, millions of parameters. */
const llamagen: Readonly<Record<string, readonly [number, number, number, number, number]>> = {
  B: [12, 12, 768, 2048, 110.9],
  L: [24, 16, 1024, 2816, 342.9],
  XL: [36, 20, 1280, 3584, 774.7],
  XXL: [48, 24, 1536, 4096, 1411],
  XXXL: [48, 40, 2560, 6912, 3893],
  '1B': [22, 32, 2048, 5632, 1200],
  '3B': [24, 32, 3200, 8704, 3097],
  '7B': [32, 32, 4096, 11008, 6615],
};

function llamagenConfiguration([layers, heads, width, hidden]: readonly number[]): PriorConfiguration {
  return {
    kind: 'prior',
    width: width ?? 0,
    layers: layers ?? 0,
    heads: heads ?? 0,
    textVocabularySize: 1000,
    textLength: 1,
    grid: { rows: 16, columns: 16 },
    codebookSize: 16384,
    attention: 'full',
    condition: { kind: 'class' },
    positions: 'rotary-grid',
    block: { norm: 'rms', feedForward: 'swiglu', hidden: hidden ?? 0, biases: { attentionInput: false, attentionOutput: false, feedForward: false, head: false } },
  };
}

function ruDalle(layers: number, width: number, heads: number): PriorConfiguration {
  return {
    kind: 'prior',
    width,
    layers,
    heads,
    textVocabularySize: 16384,
    textLength: 128,
    grid: { rows: 32, columns: 32 },
    codebookSize: 8192,
    attention: ruDallePatterns(layers),
    condition: { kind: 'text', start: 'none' },
    headNorm: true,
    block: { normPlacement: 'sandwich', feedForward: 'gelu-tanh' },
  };
}

/** Published sizes, counted by instantiating the peers' own classes: tensors and parameters. */
const published: readonly {
  readonly name: string;
  readonly expected: ReadonlyMap<string, ParameterSpec>;
  readonly names: Iterable<WeightName>;
  readonly tensors?: number;
  readonly parameters?: number;
  /** Where only millions were published: to as many digits as were. */
  readonly millions?: number;
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
  { name: "minDALL-E's second stage", expected: priorParameters(minDalle), names: mindallePriorNames(42), tensors: 680, parameters: 1_291_081_728 },
  { name: 'DALL-E mini, as min-dalle has it', expected: priorParameters(mini), names: minDallePriorNames(12, 12), parameters: 202_649_584 + 235_313_136 },
  { name: 'DALL-E mega, as min-dalle has it', expected: priorParameters(mega), names: minDallePriorNames(24, 24), parameters: 1_110_220_800 + 1_477_746_688 },
  { name: 'DALL-E mini, as dalle-mini has it', expected: priorParameters(mini), names: dalleMiniNames(12, 12), parameters: 202_649_584 + 235_313_136 },
  ...Object.entries(llamagen).map(([size, sizes]) => ({
    name: `LlamaGen, ${size}, told a class`,
    expected: priorParameters(llamagenConfiguration(sizes)),
    names: llamagenPriorNames(sizes[0]),
    millions: sizes[4],
  })),
  { name: "ru-dalle's Malevich", expected: priorParameters(ruDalle(24, 2048, 16)), names: ruDalleNames(ruDalle(24, 2048, 16)), millions: 1300 },
  { name: "ru-dalle's Kandinsky", expected: priorParameters(ruDalle(64, 3840, 60)), names: ruDalleNames(ruDalle(64, 3840, 60)), millions: 12_000 },
  { name: 'DALLE-pytorch, defaults', expected: imageTokenizerParameters(strided), names: dallePytorchVaeNames(strided) },
  {
    name: 'DALLE-pytorch without residual blocks',
    expected: imageTokenizerParameters({ ...strided, residualBlocks: 0 }),
    names: dallePytorchVaeNames({ layers: 3, residualBlocks: 0 }),
  },
];

describe.each(published)('$name', ({ expected, names, tensors, parameters, millions }) => {
  const table = Array.from(names);

  const wanted = table.filter(({ path }) => expected.has(path));

  it('has a name for each of our weights, and none for two things', () => {
    expect([...new Set(wanted.map(({ path }) => path))].sort()).toEqual([...expected.keys()].sort());
    const parts = wanted.map(({ peer, rows }) => `${peer} ${rows?.join(' to ') ?? ''}`);
    expect(new Set(parts).size).toBe(parts.length);
  });

  it('has as many tensors and parameters as the published model', () => {
    const counted = Array.from(expected.values()).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    if (tensors !== undefined) expect(new Set(wanted.map(({ peer }) => peer)).size).toBe(tensors);
    if (parameters !== undefined) expect(counted).toBe(parameters);
    if (millions !== undefined) expect(Math.abs(counted / 1e6 / millions - 1), `${counted}`).toBeLessThan(millions % 100 === 0 ? 0.05 : 0.0005);
  });
});
