import { decodeBytes, wordCharacters } from './byte-alphabet.js';
import { type BytePairTokenizer, createTextPipeline } from './text-pipeline.js';
import { lowerCased, splitWords } from './words.js';

/** A byte-level BPE tokenizer as data: what is trained here and saved as `tokenizer.json`. */
export interface BytePairModel {
  /** Texts are lower-cased first, as the paper's (§2.2). */
  readonly lowerCase: boolean;
  /** Token of each id in the byte alphabet (`byte-alphabet.ts`); all 256 bytes are among them. */
  readonly tokens: readonly string[];
  /** Pairs of tokens that become one, first merged first. */
  readonly merges: readonly (readonly [string, string])[];
}

/** Encodes and decodes with a model. Any text comes back from its ids (lower-cased where the model says so). */
export function createBytePairTokenizer({ lowerCase, tokens, merges }: BytePairModel): BytePairTokenizer {
  return createTextPipeline({
    words: { tokens, merges, endOfWord: '', joinsUnknown: false, wholeWordsFirst: false },
    addedTokens: [],
    normalize: lowerCase ? lowerCased : (text) => text,
    split: (piece) => splitWords(piece).map((word) => wordCharacters(word).join('')),
    join: decodeBytes,
    before: [],
    after: [],
  });
}
