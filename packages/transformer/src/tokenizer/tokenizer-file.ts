import { TesseraeError } from '@tesserae/core';
import type { AddedToken } from './added-tokens.js';
import type { BytePairModel } from './byte-pair-model.js';
import { cleanCaption } from './clean-caption.js';
import { corrupt, type Fields, isFields, truthField, unsupported } from './hugging-face/fields.js';
import { frameOf } from './hugging-face/frame.js';
import { joinerOf } from './hugging-face/joiners.js';
import { normalizerOf } from './hugging-face/normalizers.js';
import { splitterOf } from './hugging-face/splitters.js';
import { type BytePairTokenizer, createTextPipeline } from './text-pipeline.js';

/** A Hugging Face `tokenizer.json`, to be written as JSON. */
export type TokenizerFile = Readonly<Record<string, unknown>>;

/** What differs between the files that are written here. */
export interface TokenizerFileParts {
  readonly vocabulary: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [string, string])[];
  readonly addedTokens?: readonly Fields[];
  readonly normalizer: unknown;
  readonly splitter: unknown;
  readonly frame?: unknown;
  readonly decoder: unknown;
  readonly unknownToken?: string;
  readonly endOfWord?: string;
}

export function tokenizerFile(parts: TokenizerFileParts): TokenizerFile {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: parts.addedTokens ?? [],
    normalizer: parts.normalizer,
    pre_tokenizer: parts.splitter,
    post_processor: parts.frame ?? null,
    decoder: parts.decoder,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: parts.unknownToken ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: parts.endOfWord ?? null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: parts.vocabulary,
      merges: parts.merges,
    },
  };
}

/** One of a file's `added_tokens`. */
export function addedTokenFields(id: number, content: string, { special, normalized }: Pick<AddedToken, 'special' | 'normalized'>): Fields {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized, special };
}

/** The model as a `tokenizer.json`. */
export function tokenizerFileOf({ lowerCase, tokens, merges }: BytePairModel): TokenizerFile {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return tokenizerFile({
    vocabulary: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
    normalizer: lowerCase ? { type: 'Lowercase' } : null,
    splitter: byteLevel,
    decoder: byteLevel,
  });
}

function checkedId(token: string, id: unknown): number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < 0x100_0000 ? id : corrupt(`gives the token '${token}' the id ${JSON.stringify(id)}`);
}

function addedTokensOf(value: unknown): AddedToken[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) return corrupt("has 'added_tokens' that are no list");
  return value.map((fields: unknown) => {
    if (!isFields(fields) || typeof fields.content !== 'string') return corrupt(`has the added token ${JSON.stringify(fields)}`);
    const special = truthField(fields, 'special', 'added_tokens', false);
    return {
      id: checkedId(fields.content, fields.id),
      content: fields.content,
      special,
      normalized: truthField(fields, 'normalized', 'added_tokens', !special),
      singleWord: truthField(fields, 'single_word', 'added_tokens', false),
      stripsLeft: truthField(fields, 'lstrip', 'added_tokens', false),
      stripsRight: truthField(fields, 'rstrip', 'added_tokens', false),
    };
  });
}

function tokensOf(vocabulary: Fields, added: readonly AddedToken[]): string[] {
  const ids = new Map(Object.entries(vocabulary).map(([token, id]) => [token, checkedId(token, id)] as const));
  for (const { content, id } of added) {
    if ((ids.get(content) ?? id) !== id) corrupt(`gives the added token '${content}' the id ${id}, and ${ids.get(content)} in its vocabulary`);
    ids.set(content, id);
  }
  const tokens: string[] = [];
  for (const [token, id] of ids) {
    if (tokens[id] !== undefined) corrupt(`gives the id ${id} to '${tokens[id]}' and to '${token}'`);
    tokens[id] = token;
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

export interface TextTokenizerOptions {
  /** How texts are made ready before the file's own normaliser: `clip` as OpenAI's CLIP does (`cleanCaption`). Default: not at all. */
  readonly cleaning?: 'clip';
  /** Whether `encode` adds the ids that the file puts around every text. Default true. */
  readonly framed?: boolean;
}

/** What the `config.json` beside a `tokenizer.json` may say. */
export type TextTokenizerConfiguration = Pick<TextTokenizerOptions, 'cleaning'> & { readonly kind: 'text-tokenizer' };

/** @throws TesseraeError `model-incompatible` for what no text tokenizer here does. */
export function parseTextTokenizerConfiguration(source: unknown): TextTokenizerConfiguration {
  if (!isFields(source) || source.kind !== 'text-tokenizer' || (source.cleaning !== undefined && source.cleaning !== 'clip')) {
    throw new TesseraeError('model-incompatible', `The text tokenizer's config.json says ${JSON.stringify(source)?.slice(0, 80) ?? 'nothing'}.`, {
      remedy: `It may say { "kind": "text-tokenizer", "cleaning": "clip" }.`,
    });
  }
  return { kind: 'text-tokenizer', ...(source.cleaning === undefined ? {} : { cleaning: source.cleaning }) };
}

/**
 * The text tokenizer that a parsed Hugging Face `tokenizer.json` describes: BPE of any alphabet, with the normalisers, pre-tokenizers, added tokens and
 * frames of the DALL-E family and of most others (docs/text-tokenizers.md lists them). Ids are those of Hugging Face's own library. Truncation and
 * padding in the file are not followed: they are the prior's.
 * @throws TesseraeError `file-corrupt` when it is damaged, `model-incompatible` when it has a part that is unknown here: never other ids in silence.
 */
export function textTokenizerFromFile(file: unknown, options: TextTokenizerOptions = {}): BytePairTokenizer {
  const { cleaning, framed = true } = options;
  if (!isFields(file) || !isFields(file.model)) return corrupt("has no 'model'");
  const { model } = file;
  // The oldest files name no type.
  if (model.type !== 'BPE' && model.type !== undefined) unsupported('model.type', model.type);
  for (const option of ['continuing_subword_prefix', 'byte_fallback'] as const) {
    if (model[option] !== null && model[option] !== undefined && model[option] !== '' && model[option] !== false) unsupported(`model.${option}`, model[option]);
  }
  if (!isFields(model.vocab) || !Array.isArray(model.merges)) return corrupt("has no 'vocab' and 'merges'");
  const addedTokens = addedTokensOf(file.added_tokens);
  const tokens = tokensOf(model.vocab, addedTokens);
  const known = new Set(tokens);
  const unknown = model.unk_token === null || model.unk_token === undefined ? undefined : tokens.indexOf(String(model.unk_token));
  if (unknown === -1) corrupt(`has no token '${String(model.unk_token)}', which it wants for what is unknown`);
  const endOfWord = typeof model.end_of_word_suffix === 'string' ? model.end_of_word_suffix : '';
  const frame = frameOf(file.post_processor);
  for (const id of [...frame.before, ...frame.after]) if (id >= tokens.length) corrupt(`frames texts with the token ${id}; it has ${tokens.length}`);
  const normalize = normalizerOf(file.normalizer);
  const tokenizer = createTextPipeline({
    words: {
      tokens,
      merges: model.merges.map((merge: unknown) => mergeOf(merge, known)),
      endOfWord,
      ...(unknown === undefined ? {} : { unknown }),
      joinsUnknown: truthField(model, 'fuse_unk', 'model', false),
      wholeWordsFirst: truthField(model, 'ignore_merges', 'model', false),
    },
    addedTokens,
    normalize,
    split: splitterOf(file.pre_tokenizer),
    join: joinerOf(file.decoder, endOfWord),
    ...(framed ? frame : { before: [], after: [] }),
  });
  if (cleaning === undefined) return tokenizer;
  return {
    ...tokenizer,
    encode: (text) => tokenizer.encode(cleanCaption(text)),
    encodeWithDropout: (text, dropout) => tokenizer.encodeWithDropout(cleanCaption(text), dropout),
  };
}

/** The text of a `tokenizer.json`, parsed. @throws TesseraeError `file-corrupt`. */
export function parseTokenizerFile(text: string): TokenizerFile {
  try {
    const file: unknown = JSON.parse(text);
    return isFields(file) ? file : corrupt('is no object');
  } catch (cause) {
    if (cause instanceof SyntaxError) return corrupt('is not JSON', cause);
    throw cause;
  }
}
