import { TesseraeError } from '@tesserae/core';
import { byteCharacters } from './byte-alphabet.js';
import { addedTokenFields, type TokenizerFile, tokenizerFile } from './tokenizer-file.js';

/** CLIP's 49 408 tokens: 256 bytes, the same ending a word, merges, start and end of text. Its file has more merges than it uses. */
const usedMerges = 49_152 - 256 - 2;

/** In the order of their characters: what is visible first. */
const alphabet = [...byteCharacters].sort((a, b) => a.charCodeAt(0) - b.charCodeAt(0));

const endOfWord = '</w>';

/**
 * OpenAI's `bpe_simple_vocab_16e6.txt`, unpacked, as a `tokenizer.json` that gives its ids: no start or end around a text, since CLIP's scorer and
 * DALLE-pytorch's priors each put their own. Texts must be made ready for it by `cleanCaption` (`cleaning: 'clip'`).
 * @throws TesseraeError `file-corrupt` when it is no such file.
 */
export function clipTokenizerFile(vocabulary: string): TokenizerFile {
  const [header = '', ...lines] = vocabulary.split('\n');
  const merges = lines.slice(0, usedMerges).map((line) => line.trimEnd().split(' '));
  if (!header.includes('#version') || merges.length < usedMerges || merges.some((pair) => pair.length !== 2)) {
    throw new TesseraeError('file-corrupt', `This is not CLIP's vocabulary: it has ${lines.length} lines of merges.`, {
      remedy: "Give the file bpe_simple_vocab_16e6.txt.gz of OpenAI's CLIP, or a tokenizer.json.",
      details: { lines: lines.length },
    });
  }
  const pairs = merges.map(([left = '', right = '']) => [left, right] as const);
  const words = [...alphabet, ...alphabet.map((character) => character + endOfWord), ...pairs.map(([left, right]) => left + right)];
  const ends = ['<|startoftext|>', '<|endoftext|>'];
  const splitter = { type: 'Split', pattern: { Regex: String.raw`'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+` }, behavior: 'Removed', invert: true };
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return tokenizerFile({
    vocabulary: Object.fromEntries([...words, ...ends].map((token, id) => [token, id])),
    merges: pairs,
    // Written in a text they are found as what they stand for, whatever their case, and read back.
    addedTokens: ends.map((content, index) => addedTokenFields(words.length + index, content, { special: false, normalized: true })),
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'NFC' }, { type: 'Replace', pattern: { Regex: String.raw`\s+` }, content: ' ' }, { type: 'Lowercase' }],
    },
    splitter: { type: 'Sequence', pretokenizers: [splitter, byteLevel] },
    decoder: byteLevel,
    unknownToken: '<|endoftext|>',
    endOfWord,
  });
}
