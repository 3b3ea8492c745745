import { TesseraeError } from '@tesserae/core';
import { addedTokenFields, type TokenizerFile, tokenizerFile } from './tokenizer-file.js';

/** `vocab.json` (token → id) and `merges.txt`, in which older tokenizers are kept. They do not say what is done to a text before: that the system does. */
export interface VocabularyFiles {
  readonly vocabulary: string;
  readonly merges: string;
}

function corrupt(file: string, problem: string): never {
  throw new TesseraeError('file-corrupt', `The tokenizer's ${file} ${problem}.`, { remedy: 'Copy it again from its source.' });
}

function parsed({ vocabulary, merges }: VocabularyFiles): { readonly ids: Readonly<Record<string, number>>; readonly merges: readonly (readonly [string, string])[] } {
  let ids: unknown;
  try {
    ids = JSON.parse(vocabulary);
  } catch {
    return corrupt('vocab.json', 'is not JSON');
  }
  if (typeof ids !== 'object' || ids === null || Object.values(ids).some((id) => typeof id !== 'number')) return corrupt('vocab.json', 'is no table of ids');
  const lines = merges.split('\n').map((line) => line.trimEnd());
  const pairs = lines.filter((line, index) => line !== '' && !(index === 0 && line.startsWith('#version')));
  return {
    ids: ids as Record<string, number>,
    merges: pairs.map((line) => {
      const [left = '', right = '', ...more] = line.split(' ');
      return left === '' || right === '' || more.length > 0 ? corrupt('merges.txt', `has the line '${line.slice(0, 40)}'`) : ([left, right] as const);
    }),
  };
}

function idIn(ids: Readonly<Record<string, number>>, token: string): number {
  return Object.hasOwn(ids, token) ? (ids[token] ?? 0) : corrupt('vocab.json', `has no token '${token}'`);
}

/**
 * min-dalle's own reading of DALL-E mini's files: lower case, what is not ASCII left out, words at spaces only, each with Ġ before it and made of
 * characters, not bytes; `<s>` before and `</s>` behind. The peer spells emoji out by name first; here they are left out with the rest.
 * @throws TesseraeError `file-corrupt`.
 */
export function minDalleTokenizerFile(files: VocabularyFiles): TokenizerFile {
  const { ids, merges } = parsed(files);
  const space = { type: 'Metaspace', replacement: 'Ġ', prepend_scheme: 'always', split: false };
  return tokenizerFile({
    vocabulary: ids,
    merges,
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Lowercase' }, { type: 'Replace', pattern: { Regex: String.raw`[^\x00-\x7f]` }, content: '' }] },
    splitter: { type: 'Sequence', pretokenizers: [{ type: 'Split', pattern: { String: ' ' }, behavior: 'Removed', invert: false }, space] },
    frame: { type: 'RobertaProcessing', sep: ['</s>', idIn(ids, '</s>')], cls: ['<s>', idIn(ids, '<s>')], trim_offsets: true, add_prefix_space: false },
    decoder: space,
    unknownToken: '<unk>',
  });
}

/**
 * minDALL-E's `bpe-16k-vocab.json` and `bpe-16k-merges.txt`, as Hugging Face's `CharBPETokenizer` reads them with lower-casing: BERT's cleaning and
 * words, characters, `</w>` at ends of words. `[PAD]` is among its tokens, or becomes the next.
 * @throws TesseraeError `file-corrupt`.
 */
export function charBpeTokenizerFile(files: VocabularyFiles): TokenizerFile {
  const { ids, merges } = parsed(files);
  const padding = Object.hasOwn(ids, '[PAD]') ? idIn(ids, '[PAD]') : Object.keys(ids).length;
  const special = { special: true, normalized: false };
  return tokenizerFile({
    vocabulary: ids,
    merges,
    addedTokens: [addedTokenFields(idIn(ids, '[UNK]'), '[UNK]', special), addedTokenFields(padding, '[PAD]', special)].sort((a, b) => Number(a.id) - Number(b.id)),
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: false }, { type: 'Lowercase' }],
    },
    splitter: { type: 'BertPreTokenizer' },
    decoder: { type: 'BPEDecoder', suffix: '</w>' },
    unknownToken: '[UNK]',
    endOfWord: '</w>',
  });
}

/**
 * GPT-2's files, read byte by byte, case kept; also BART's with its `<s>` and `</s>` around texts where the vocabulary has them.
 * @throws TesseraeError `file-corrupt`.
 */
export function byteLevelTokenizerFile(files: VocabularyFiles): TokenizerFile {
  const { ids, merges } = parsed(files);
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const isFramed = Object.hasOwn(ids, '<s>') && Object.hasOwn(ids, '</s>');
  return tokenizerFile({
    vocabulary: ids,
    merges,
    normalizer: null,
    splitter: byteLevel,
    ...(isFramed ? { frame: { type: 'RobertaProcessing', sep: ['</s>', ids['</s>']], cls: ['<s>', ids['<s>']], trim_offsets: true, add_prefix_space: false } } : {}),
    decoder: byteLevel,
  });
}
