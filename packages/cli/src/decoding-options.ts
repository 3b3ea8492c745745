import { type TransformerPriorOptions, weightPrecisions } from '@tesserae/transformer';
import { numberOption, type OptionSpec, type OptionValues, textOption, UsageError } from './command.js';

/** How a prior is run. */
export type DecodingSettings = Pick<TransformerPriorOptions, 'dtype' | 'memoryBudget'>;

/** The options of every command that decodes with a prior. */
export const decodingOptions: Readonly<Record<string, OptionSpec>> = {
  dtype: {
    type: 'string',
    value: 'NAME',
    help: `hold the prior's matrices in ${weightPrecisions.join(', ')} (default: ${weightPrecisions[0]}); int8 is faster on a CPU where the prior is large`,
  },
  'memory-budget': { type: 'string', value: 'MB', help: 'what the caches of candidates that are decoded together may take (default: 1074)' },
};

/** @throws UsageError for a name that is none, or a number out of range. */
export function decodingSettingsFrom(options: OptionValues): DecodingSettings {
  const named = textOption(options, 'dtype');
  const dtype = weightPrecisions.find((name) => name === named);
  if (named !== undefined && dtype === undefined) throw new UsageError(`--dtype ${named}: use ${weightPrecisions.join(', ')}.`);
  const megabytes = numberOption(options, 'memory-budget', { minimum: 1 });
  return { ...(dtype === undefined ? {} : { dtype }), ...(megabytes === undefined ? {} : { memoryBudget: megabytes * 1e6 }) };
}
