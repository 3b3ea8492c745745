import { type GenerateRequest, TesseraeError } from '@tesserae/core';
import { numberOption, type OptionSpec, type OptionValues } from './command.js';

/** The part of a request that says how tokens are drawn. */
export type SamplingSettings = Pick<GenerateRequest, 'guidance' | 'temperature' | 'topK' | 'topP'>;

/** What a model's `generation.json` recommends: how to draw tokens, and how to compare what was drawn (`PriorEvidenceOptions`). */
export interface GenerationSettings extends SamplingSettings {
  readonly emptyTextWeight?: number;
}

/** The options of every command that draws tokens. */
export const samplingOptions: Readonly<Record<string, OptionSpec>> = {
  guidance: { type: 'string', value: 'X', help: "pull towards the sentence, 1 for none (default: the model's own)" },
  temperature: { type: 'string', value: 'X', help: "below 1 safer, above wilder, 0 greedy (default: the model's own)" },
  'top-k': { type: 'string', value: 'N', help: 'draw from the N most likely tokens' },
  'top-p': { type: 'string', value: 'X', help: 'draw from the tokens that make up this share, e.g. 0.95' },
};

/** What the options say, else what the model recommends. @throws UsageError for numbers out of range. */
export function samplingFrom(options: OptionValues, recommended: SamplingSettings): SamplingSettings {
  const guidance = numberOption(options, 'guidance') ?? recommended.guidance;
  const temperature = numberOption(options, 'temperature', { minimum: 0 }) ?? recommended.temperature;
  const topK = numberOption(options, 'top-k', { minimum: 1, integer: true }) ?? recommended.topK;
  const topP = numberOption(options, 'top-p', { minimum: Number.MIN_VALUE, maximum: 1 }) ?? recommended.topP;
  return {
    ...(guidance === undefined ? {} : { guidance }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
  };
}

const settingNames = ['guidance', 'temperature', 'topK', 'topP', 'emptyTextWeight'] as const;

/** Checks what a model's `generation.json` holds; the ranges are checked where they are used. @throws TesseraeError `model-incompatible`. */
export function parseGenerationSettings(source: unknown): GenerationSettings {
  const fail = (problem: string): never => {
    throw new TesseraeError('model-incompatible', `generation.json ${problem}.`, { remedy: `It may set ${settingNames.join(', ')} to numbers.` });
  };
  if (typeof source !== 'object' || source === null) return fail('is no object');
  const settings: Partial<Record<(typeof settingNames)[number], number>> = {};
  for (const [name, value] of Object.entries(source)) {
    const known = settingNames.find((setting) => setting === name);
    if (known === undefined) return fail(`has the unknown field '${name}'`);
    if (typeof value !== 'number' || !Number.isFinite(value)) return fail(`says ${name}: ${JSON.stringify(value)}`);
    settings[known] = value;
  }
  return settings;
}
