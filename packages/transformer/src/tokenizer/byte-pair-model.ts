import { TesseraeError, type TextTokenizer } from '@tesserae/core';
import { tokenBytes, wordCharacters } from './byte-alphabet.js';
import { splitWords } from './words.js';

/** A byte-level BPE tokenizer as data: what `tokenizer.json` holds. */
export interface BytePairModel {
  /** Texts are lower-cased first, as the paper's (§2.2). */
  readonly lowerCase: boolean;
  /** Token of each id in the byte alphabet (`byte-alphabet.ts`); all 256 bytes are among them. */
  readonly tokens: readonly string[];
  /** Pairs of tokens that become one, first merged first. */
  readonly merges: readonly (readonly [string, string])[];
}

/** Two token ids as one number; ids stay below 2²⁴. */
export function pairOf(left: number, right: number): number {
  return left * 0x100_0000 + right;
}

/** Both ids of a pair. */
export function idsOf(pair: number): readonly [number, number] {
  return [Math.floor(pair / 0x100_0000), pair % 0x100_0000];
}

/** Ids with every `left right` replaced by `merged`, first come first served. */
export function mergePair(ids: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = [];
  for (let index = 0; index < ids.length; index += 1) {
    const id = ids[index] ?? 0;
    if (id === left && ids[index + 1] === right) {
      result.push(merged);
      index += 1;
    } else {
      result.push(id);
    }
  }
  return result;
}

/** Words whose ids are remembered: captions repeat theirs. */
const rememberedWords = 16_384;

/** Encodes and decodes with a model. Any text comes back from its ids (lower-cased where the model says so). */
export function createBytePairTokenizer(model: BytePairModel): TextTokenizer {
  const { tokens, lowerCase } = model;
  const idOf = new Map(tokens.map((token, id) => [token, id] as const));
  const id = (token: string): number => {
    const found = idOf.get(token);
    if (found === undefined)
      throw new TesseraeError('model-incompatible', `The tokenizer lacks the token '${token}' that its merges need.`, {
        remedy: 'Use a complete tokenizer.json.',
        details: { token },
      });
    return found;
  };
  const bytes = tokens.map((token) => tokenBytes(token) ?? new Uint8Array());
  const merges = new Map(model.merges.map(([left, right], rank) => [pairOf(id(left), id(right)), { rank, merged: id(left + right) }] as const));
  const remembered = new Map<string, readonly number[]>();

  const encodeWord = (word: string): readonly number[] => {
    const known = remembered.get(word);
    if (known !== undefined) return known;
    let ids = wordCharacters(word).map(id);
    while (ids.length > 1) {
      let best: { readonly rank: number; readonly merged: number } | undefined;
      let bestPair = 0;
      for (let index = 1; index < ids.length; index += 1) {
        const pair = pairOf(ids[index - 1] ?? 0, ids[index] ?? 0);
        const candidate = merges.get(pair);
        if (candidate !== undefined && (best === undefined || candidate.rank < best.rank)) {
          best = candidate;
          bestPair = pair;
        }
      }
      if (best === undefined) break;
      ids = mergePair(ids, ...idsOf(bestPair), best.merged);
    }
    if (remembered.size >= rememberedWords) remembered.clear();
    remembered.set(word, ids);
    return ids;
  };

  return {
    specificationVersion: 'v1',
    vocabularySize: tokens.length,
    encode: (text) => Int32Array.from(splitWords(lowerCase ? text.toLowerCase() : text).flatMap(encodeWord)),
    decode: (ids) => {
      const parts = Array.from(ids, (tokenId) => {
        const part = bytes[tokenId];
        if (part === undefined)
          throw new TesseraeError('invalid-argument', `There is no text token ${tokenId}.`, {
            remedy: `Pass ids from 0 to ${tokens.length - 1}; paddings are not text.`,
            details: { tokenId },
          });
        return part;
      });
      const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
      let offset = 0;
      for (const part of parts) {
        joined.set(part, offset);
        offset += part.length;
      }
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(joined);
    },
  };
}
