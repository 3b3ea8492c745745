import { join } from 'node:path';
import { createCaptionScorer, createClipScorer, type DisposableScorer, parseCaptionerConfiguration, parseClipConfiguration } from '@tesserae/clip';
import {
  type Backend,
  createGenerator,
  type Generator,
  type ImagePrior,
  type ImageTextScorer,
  type ImageTokenizer,
  type SamplingPlugin,
  TesseraeError,
  type TextTokenizer,
} from '@tesserae/core';
import { type OpenedModel, openModelFolder } from '@tesserae/core/node';
import { createImageTokenizer, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { createTransformerPrior, parsePriorConfiguration, parseTextTokenizerConfiguration, textTokenizerFromFile } from '@tesserae/transformer';
import type { DecodingSettings } from './decoding-options.js';
import { type GenerationSettings, parseGenerationSettings } from './sampling.js';

/** The parts of a model folder, ready to run. */
export interface LoadedModel {
  readonly imageTokenizer: ImageTokenizer;
  /** None where the prior reads no text, or where a converted model came without. */
  readonly textTokenizer?: TextTokenizer;
  readonly prior: ImagePrior;
  /** The model's own judge of candidates, where it has one. */
  readonly scorer?: ImageTextScorer;
  /** How the model's makers recommend to sample; empty when they say nothing. */
  readonly generation: GenerationSettings;
  generator(plugins?: readonly SamplingPlugin[]): Generator;
  dispose(): void;
}

export interface LoadOptions extends DecodingSettings {
  readonly backend: Backend;
  /** Candidates decoded together at most. */
  readonly maximumBatch?: number;
  /** Another model folder, whose scorer judges in place of the model's own. */
  readonly scorerFolder?: string | undefined;
}

export async function loadImageTokenizer(model: OpenedModel, { backend, maximumBatch = 16 }: LoadOptions): Promise<ImageTokenizer> {
  const configuration = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
  return createImageTokenizer({ configuration, weights: await model.openWeights('imageTokenizer'), backend, batch: maximumBatch });
}

export async function loadTextTokenizer(model: OpenedModel): Promise<TextTokenizer> {
  const source = await model.readJson('textTokenizer', 'tokenizer.json');
  const hasConfiguration = model.index.parts.textTokenizer?.sha256['config.json'] !== undefined;
  return textTokenizerFromFile(source, hasConfiguration ? parseTextTokenizerConfiguration(await model.readJson('textTokenizer', 'config.json')) : {});
}

export async function loadPrior(model: OpenedModel, { backend, maximumBatch = 16, dtype, memoryBudget }: LoadOptions): Promise<ImagePrior> {
  const config = parsePriorConfiguration(await model.readJson('prior', 'config.json'));
  return createTransformerPrior({
    config,
    weights: await model.openWeights('prior'),
    backend,
    maximumBatch,
    ...(dtype === undefined ? {} : { dtype }),
    ...(memoryBudget === undefined ? {} : { memoryBudget }),
  });
}

/** Stands where CLIP's own text tokenizer belongs: no checkpoint of CLIP holds it, and ids of another would score nonsense. */
const missingClipTokenizer: TextTokenizer = {
  specificationVersion: 'v1',
  vocabularySize: 0,
  encode: () => refuseWithoutClipTokenizer(),
  decode: () => refuseWithoutClipTokenizer(),
};

function refuseWithoutClipTokenizer(): never {
  throw new TesseraeError('model-incompatible', "The model's scorer is CLIP, which reads texts by a tokenizer of its own; the model folder has none.", {
    remedy: 'Convert it again with its tokenizer: --text-tokenizer bpe_simple_vocab_16e6.txt.gz. Or compare by the prior: --scorer evidence.',
  });
}

/** CLIP's own text tokenizer, which lies with its weights; the scorer puts start and end around the ids itself. */
async function loadClipTokenizer(model: OpenedModel): Promise<TextTokenizer> {
  if (model.index.parts.scorer?.sha256['tokenizer.json'] === undefined) return missingClipTokenizer;
  return textTokenizerFromFile(await model.readJson('scorer', 'tokenizer.json'), { cleaning: 'clip', framed: false });
}

/** The part `scorer`, if the model has one. A CLIP without its tokenizer opens, and says what it lacks when it is asked. */
export async function loadScorer(model: OpenedModel, textTokenizer: TextTokenizer | undefined, { backend, maximumBatch = 16 }: LoadOptions): Promise<DisposableScorer | undefined> {
  if (model.index.parts.scorer === undefined) return undefined;
  const source = await model.readJson('scorer', 'config.json');
  const weights = await model.openWeights('scorer');
  if (typeof source === 'object' && source !== null && 'kind' in source && source.kind === 'clip') {
    return createClipScorer({ config: parseClipConfiguration(source), weights, textTokenizer: await loadClipTokenizer(model), backend, maximumBatch });
  }
  // A captioner was trained with the model's own text tokenizer.
  return createCaptionScorer({ config: parseCaptionerConfiguration(source), weights, textTokenizer: textTokenizer ?? (await loadTextTokenizer(model)), backend, maximumBatch });
}

/** The scorer of another model; a captioner reads texts by that model's own text tokenizer. */
async function loadScorerOf(folder: string, textTokenizer: TextTokenizer | undefined, options: LoadOptions): Promise<DisposableScorer | undefined> {
  const model = await openModelFolder(folder);
  if (model.index.parts.scorer === undefined) {
    throw new TesseraeError('model-incompatible', `${folder} has no scorer, only ${Object.keys(model.index.parts).join(', ') || 'no parts'}.`, {
      remedy: 'Name a model folder with one: tesserae train --stage scorer, or tesserae convert of a CLIP.',
    });
  }
  return loadScorer(model, model.index.parts.textTokenizer === undefined ? textTokenizer : await loadTextTokenizer(model), options);
}

/** Opens a whole model. @throws TesseraeError naming the part that is missing or does not fit. */
export async function loadModel(folder: string, options: LoadOptions): Promise<LoadedModel> {
  const model = await openModelFolder(folder);
  const imageTokenizer = await loadImageTokenizer(model, options);
  const textTokenizer = model.index.parts.textTokenizer === undefined ? undefined : await loadTextTokenizer(model);
  const prior = await loadPrior(model, options);
  const scorer = options.scorerFolder === undefined ? await loadScorer(model, textTokenizer, options) : await loadScorerOf(options.scorerFolder, textTokenizer, options);
  if (imageTokenizer.codebookSize !== prior.codebookSize) {
    throw new TesseraeError(
      'model-incompatible',
      `${join(folder, 'prior')} expects ${prior.codebookSize} codes, ${join(folder, 'image-tokenizer')} has ${imageTokenizer.codebookSize}.`,
      { remedy: 'Train the prior with this image tokenizer.' },
    );
  }
  const recommended = model.index.parts.prior?.sha256['generation.json'] === undefined ? {} : await model.readJson('prior', 'generation.json');
  return {
    imageTokenizer,
    ...(textTokenizer === undefined ? {} : { textTokenizer }),
    prior,
    ...(scorer === undefined ? {} : { scorer }),
    generation: parseGenerationSettings(recommended),
    generator: (plugins = []) => createGenerator({ imageTokenizer, prior, plugins, ...(textTokenizer === undefined ? {} : { textTokenizer }) }),
    dispose() {
      imageTokenizer.dispose();
      prior.dispose();
      scorer?.dispose();
    },
  };
}
