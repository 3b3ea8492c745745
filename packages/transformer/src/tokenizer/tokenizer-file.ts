import { TesseraeError } from '@tesserae/core';
import { byteCharacters, tokenBytes } from './byte-alphabet.js';
import type { BytePairModel } from './byte-pair-model.js';

/** The model as the text of a Hugging Face `tokenizer.json`. */
export function tokenizerToJson({ lowerCase, tokens, merges }: BytePairModel): string {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return `${JSON.stringify(
    {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [],
      normalizer: lowerCase ? { type: 'Lowercase' } : null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges,
      },
    },
    undefined,
    1,
  )}\n`;
}

function corrupt(problem: string, cause?: unknown): never {
  throw new TesseraeError('file-corrupt', `The tokenizer.json ${problem}.`, { remedy: 'Copy it again from its source, or train a tokenizer.', cause });
}

function unsupported(part: string, value: unknown): never {
  throw new TesseraeError('model-incompatible', `The tokenizer.json has '${part}' = ${JSON.stringify(value)?.slice(0, 80) ?? 'nothing'}, which this tokenizer cannot do.`, {
    remedy: 'Use a byte-level BPE tokenizer without added tokens, lower-casing or not.',
    details: { part },
  });
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tokensOf(vocabulary: Fields): string[] {
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(vocabulary)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= 0x100_0000 || tokens[id] !== undefined)
      corrupt(`gives the token '${token}' the id ${JSON.stringify(id)}`);
    if (tokenBytes(token) === undefined) unsupported(`model.vocab['${token}']`, id);
    tokens[id as number] = token;
  }
  for (let id = 0; id < tokens.length; id += 1) if (tokens[id] === undefined) corrupt(`has no token ${id}`);
  return tokens;
}

function mergeOf(value: unknown, known: ReadonlySet<string>): readonly [string, string] {
  // Older files write a merge as one string with a space between.
  const parts: unknown = typeof value === 'string' ? value.split(' ') : value;
  if (!Array.isArray(parts) || parts.length !== 2) return corrupt(`has the merge ${JSON.stringify(value)}`);
  const [left, right] = parts as readonly unknown[];
  if (typeof left !== 'string' || typeof right !== 'string' || !known.has(left) || !known.has(right) || !known.has(left + right)) {
    return corrupt(`merges tokens it does not have: ${JSON.stringify(value)}`);
  }
  return [left, right];
}

/**
 * Reads a `tokenizer.json` with byte-level BPE, ours or another's.
 * @throws TesseraeError `file-corrupt` when it is damaged, `model-incompatible` when it is another kind of tokenizer.
 */
export function tokenizerFromJson(text: string): BytePairModel {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    return corrupt('is not JSON', cause);
  }
  if (!isFields(file) || !isFields(file.model)) return corrupt("has no 'model'");
  const { model, normalizer, pre_tokenizer: splitter, added_tokens: added } = file;
  if (model.type !== 'BPE') unsupported('model.type', model.type);
  for (const option of ['dropout', 'unk_token', 'continuing_subword_prefix', 'end_of_word_suffix'] as const) {
    if (model[option] !== null && model[option] !== undefined && model[option] !== '') unsupported(`model.${option}`, model[option]);
  }
  if (!isFields(splitter) || splitter.type !== 'ByteLevel' || splitter.add_prefix_space === true || splitter.use_regex === false) unsupported('pre_tokenizer', splitter);
  if (Array.isArray(added) && added.length > 0) unsupported('added_tokens', added);
  if (normalizer !== null && normalizer !== undefined && !(isFields(normalizer) && normalizer.type === 'Lowercase')) unsupported('normalizer', normalizer);
  if (!isFields(model.vocab) || !Array.isArray(model.merges)) return corrupt("has no 'vocab' and 'merges'");
  const tokens = tokensOf(model.vocab);
  const known = new Set(tokens);
  if (!byteCharacters.every((character) => known.has(character))) return corrupt('lacks some of the 256 bytes');
  return { lowerCase: isFields(normalizer), tokens, merges: model.merges.map((merge: unknown) => mergeOf(merge, known)) };
}
