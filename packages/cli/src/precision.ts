import { type WeightPrecision, weightPrecisions } from '@tesserae/transformer';
import { type OptionSpec, type OptionValues, textOption, UsageError } from './command.js';

/** The option of every command that decodes with a prior. */
export const precisionOption: Readonly<Record<string, OptionSpec>> = {
  dtype: { type: 'string', value: 'NAME', help: `hold the prior's matrices in ${weightPrecisions.join(', ')} (default: ${weightPrecisions[0]}); int8 is faster on a CPU` },
};

/** @throws UsageError for a name that is none. */
export function precisionFrom(options: OptionValues): { readonly dtype?: WeightPrecision } {
  const named = textOption(options, 'dtype');
  if (named === undefined) return {};
  const dtype = weightPrecisions.find((name) => name === named);
  if (dtype === undefined) throw new UsageError(`--dtype ${named}: use ${weightPrecisions.join(', ')}.`);
  return { dtype };
}
