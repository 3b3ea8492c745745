import { parsePriorConfiguration, type TokenizerFile } from '@tesserae/transformer';
import { valueAt, wholeAt } from './families/reading.js';
import type { PlannedPart } from './plan-conversion.js';

/** Systems whose code fills free text positions with a token that it looks up by name in its text tokenizer: no weights say its id. */
const paddingTokens: Readonly<Record<string, string>> = { 'mindalle-prior': '[PAD]' };

function idOf(file: TokenizerFile, token: string): number | undefined {
  const added = valueAt(file, ['added_tokens']);
  const entry = Array.isArray(added) ? added.find((each: unknown) => valueAt(each, ['content']) === token) : undefined;
  return wholeAt(file, ['model', 'vocab', token]) ?? wholeAt(entry, ['id']);
}

/** The parts with the padding that a prior's text tokenizer tells, unless the user said the `condition`. Where none tells it, the part says what was taken. */
export function withPaddingToken(planned: readonly PlannedPart[], tokenizer: TokenizerFile | undefined, settings: Readonly<Record<string, unknown>> = {}): readonly PlannedPart[] {
  return planned.map((part) => {
    const token = paddingTokens[part.family];
    if (part.part !== 'prior' || token === undefined || settings.condition !== undefined) return part;
    const configuration = parsePriorConfiguration(part.configuration);
    const { condition } = configuration;
    if (condition?.kind !== 'text') return part;
    const padding = tokenizer === undefined ? undefined : idOf(tokenizer, token);
    if (padding !== undefined) return { ...part, configuration: parsePriorConfiguration({ ...configuration, condition: { ...condition, padding } }) };
    const said = JSON.stringify({ ...condition, padding: condition.padding ?? 0 });
    return {
      ...part,
      assumed: [...part.assumed, `No text tokenizer says the id of ${token}, which free text positions hold: ${condition.padding ?? 0}. --set 'condition=${said}' says another.`],
    };
  });
}
