import type { SamplingPlugin } from '@tesserae/core';
import { priorEvidence, rerank } from '@tesserae/plugins';
import { numberOption, type OptionSpec, type OptionValues } from './command.js';
import type { LoadedModel } from './model.js';

/** How candidates are compared, for commands that rerank. */
export const rerankingOptions: Readonly<Record<string, OptionSpec>> = {
  'empty-text-weight': { type: 'string', value: 'X', help: "how much a picture's likelihood without the sentence counts against it (default: the model's own, else 1)" },
};

/** Makes `oversample` times as many pictures and keeps those the model's own prior finds fitting best. */
export function rerankByEvidence(model: LoadedModel, oversample: number, options: OptionValues): SamplingPlugin {
  const emptyTextWeight = numberOption(options, 'empty-text-weight', { minimum: 0 }) ?? model.generation.emptyTextWeight ?? 1;
  return rerank({ scorer: priorEvidence(model.prior, model.textTokenizer, { emptyTextWeight }), oversample });
}
