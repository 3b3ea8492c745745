import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageTextScorer, SamplingPlugin } from '@tesserae/core';
import { priorEvidence, rerank } from '@tesserae/plugins';
import { numberOption, type OptionSpec, type OptionValues, textOption, UsageError } from './command.js';
import type { LoadedModel } from './model.js';

const scorers = ['model', 'evidence'] as const;

/** How candidates are compared, for commands that rerank. */
export const rerankingOptions: Readonly<Record<string, OptionSpec>> = {
  scorer: {
    type: 'string',
    value: 'NAME',
    help: 'who compares: model (its own scorer; default where it has one), evidence (how likely its prior finds the codes), or a model folder with a scorer',
  },
  'empty-text-weight': {
    type: 'string',
    value: 'X',
    help: "of the evidence: how much a picture's likelihood without the sentence counts against it (default: the model's own, else 1)",
  },
};

/** The folder of the model that the options ask a scorer of, where it is another one. @throws UsageError when there is none. */
export function scorerFolder(options: OptionValues): string | undefined {
  const wanted = textOption(options, 'scorer');
  if (wanted === undefined || scorers.some((name) => name === wanted)) return undefined;
  if (!existsSync(join(wanted, 'model_index.json'))) throw new UsageError(`--scorer ${wanted}: use ${scorers.join(' or ')}, or a model folder with a scorer.`);
  return wanted;
}

/** The scorer that the options ask for, of a model that was loaded with `scorerFolder`. */
function scorerOf(model: LoadedModel, options: OptionValues): ImageTextScorer {
  const wanted = textOption(options, 'scorer') ?? (model.scorer === undefined ? 'evidence' : 'model');
  const emptyTextWeight = numberOption(options, 'empty-text-weight', { minimum: 0 });
  if (wanted === 'evidence') {
    if (model.textTokenizer === undefined) throw new UsageError('--scorer evidence: this model has no text tokenizer, so its candidates cannot be compared by a sentence.');
    return priorEvidence(model.prior, model.textTokenizer, { emptyTextWeight: emptyTextWeight ?? model.generation.emptyTextWeight ?? 1 });
  }
  if (model.scorer === undefined) throw new UsageError('--scorer model: this model has no scorer. Train one (tesserae train --stage scorer), or use evidence.');
  return model.scorer;
}

/** Makes `oversample` times as many pictures and keeps those that fit the sentence best. */
export function rerankBest(model: LoadedModel, oversample: number, options: OptionValues): SamplingPlugin {
  return rerank({ scorer: scorerOf(model, options), oversample });
}
