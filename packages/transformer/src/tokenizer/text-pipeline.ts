import { type Key, TesseraeError, type TextTokenizer, uniform } from '@tesserae/core';
import { type AddedToken, createTokenCutter } from './added-tokens.js';
import { type MergeTable, mergeSymbols, pairOf } from './merge-symbols.js';

/** How likely merges are left out, and what decides which. */
export interface MergeDropout {
  /** From 0 (none, the usual encoding) to 1 (all: single symbols). The paper's is 0.1 (DALL-E, appendix B). */
  readonly rate: number;
  /** The same key leaves the same merges of the same text out. */
  readonly key: Key;
}

/** A text tokenizer whose words are merged from symbols, and so can be merged less than fully. */
export interface BytePairTokenizer extends TextTokenizer {
  /**
   * BPE dropout (Provilkov et al. 2020): ids of the same text, some merges left out at random. They decode to the same text and are more.
   * @throws TesseraeError `invalid-argument` for a rate outside [0, 1].
   */
  encodeWithDropout(text: string, dropout: MergeDropout): Int32Array;
}

/** How a word becomes ids: its characters are symbols, neighbours merge. */
export interface WordModel {
  /** Token of each id. */
  readonly tokens: readonly string[];
  /** Pairs of tokens that become one, first merged first. */
  readonly merges: readonly (readonly [string, string])[];
  /** Written behind a word's last symbol; empty for none. */
  readonly endOfWord: string;
  /** What stands for characters that are no token; without it they are left out. */
  readonly unknown?: number;
  /** Whether neighbouring unknown characters are one token. */
  readonly joinsUnknown: boolean;
  /** Whether a word that is a token is not taken apart. */
  readonly wholeWordsFirst: boolean;
}

/** A text on its way to ids: cut at added tokens → normalised → split into words → merged → framed. */
export interface TextPipeline {
  readonly words: WordModel;
  readonly addedTokens: readonly AddedToken[];
  readonly normalize: (text: string) => string;
  /** The words of a piece of text, in the characters that the tokens are written in. `isStart`: the text begins with it. */
  readonly split: (piece: string, isStart: boolean) => readonly string[];
  readonly join: (tokens: readonly string[]) => string;
  /** Ids before and behind every text. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Words whose ids are remembered: captions repeat theirs. */
const rememberedWords = 16_384;

function mergeTable({ tokens, merges }: WordModel, idOf: ReadonlyMap<string, number>): MergeTable {
  const id = (token: string): number => {
    const found = idOf.get(token);
    if (found === undefined)
      throw new TesseraeError('model-incompatible', `The tokenizer lacks the token '${token}' that its merges need; it has ${tokens.length}.`, {
        remedy: 'Use a complete tokenizer.json.',
        details: { token },
      });
    return found;
  };
  return new Map(merges.map(([left, right], rank) => [pairOf(id(left), id(right)), { rank, merged: id(left + right) }] as const));
}

/** Encodes and decodes as a pipeline says. Any text is taken: of any length and script, control characters and lone surrogates (as U+FFFD) included. */
export function createTextPipeline(pipeline: TextPipeline): BytePairTokenizer {
  const { words, addedTokens, normalize, split, join, before, after } = pipeline;
  const { tokens, endOfWord, unknown, joinsUnknown, wholeWordsFirst } = words;
  const idOf = new Map(tokens.map((token, id) => [token, id] as const));
  const merges = mergeTable(words, idOf);
  const special = new Set(addedTokens.flatMap(({ id, special: isSpecial }) => (isSpecial ? [id] : [])));
  const cutAsGiven = createTokenCutter(addedTokens.filter(({ normalized }) => !normalized).map((token) => [token.content, token] as const));
  const cutNormalized = createTokenCutter(addedTokens.filter(({ normalized }) => normalized).map((token) => [normalize(token.content), token] as const));
  const remembered = new Map<string, readonly number[]>();

  const symbolsOf = (word: string): number[] => {
    const characters = Array.from(word);
    const symbols: number[] = [];
    let afterUnknown = false;
    characters.forEach((character, index) => {
      const id = idOf.get(index === characters.length - 1 ? character + endOfWord : character);
      if (id !== undefined) symbols.push(id);
      else if (unknown !== undefined && !(joinsUnknown && afterUnknown)) symbols.push(unknown);
      afterUnknown = id === undefined;
    });
    return symbols;
  };

  const encodeWord = (word: string, leavesOut?: () => boolean): readonly number[] => {
    const known = leavesOut === undefined ? remembered.get(word) : undefined;
    if (known !== undefined) return known;
    const whole = wholeWordsFirst && leavesOut === undefined ? idOf.get(word) : undefined;
    const ids = whole === undefined ? mergeSymbols(symbolsOf(word), merges, leavesOut) : [whole];
    if (leavesOut !== undefined) return ids;
    if (remembered.size >= rememberedWords) remembered.clear();
    remembered.set(word, ids);
    return ids;
  };

  const encode = (text: string, leavesOut?: () => boolean): Int32Array => {
    const ids: number[] = [...before];
    const take = (more: readonly number[]): void => {
      for (const id of more) ids.push(id);
    };
    let isStart = true;
    for (const given of cutAsGiven(text)) {
      const segments = typeof given === 'number' ? [given] : cutNormalized(normalize(given));
      for (const segment of segments) {
        if (typeof segment === 'number') take([segment]);
        else for (const word of split(segment, isStart)) take(encodeWord(word, leavesOut));
        isStart = false;
      }
    }
    take(after);
    return Int32Array.from(ids);
  };

  return {
    specificationVersion: 'v1',
    vocabularySize: tokens.length,
    encode: (text) => encode(text),
    encodeWithDropout(text, { rate, key }) {
      if (!(rate >= 0 && rate <= 1))
        throw new TesseraeError('invalid-argument', `Merges cannot be left out at the rate ${rate}.`, { remedy: 'Use a number from 0 to 1.', details: { rate } });
      if (rate === 0) return encode(text);
      let counter = 0;
      return encode(text, () => {
        counter += 1;
        return uniform(key, counter - 1) < rate;
      });
    },
    decode: (ids) =>
      join(
        Array.from(ids).flatMap((id) => {
          const token = tokens[id];
          if (token === undefined)
            throw new TesseraeError('invalid-argument', `There is no text token ${id}.`, {
              remedy: `Pass ids from 0 to ${tokens.length - 1}; paddings are not text.`,
              details: { tokenId: id },
            });
          return special.has(id) ? [] : [token];
        }),
      ),
  };
}
