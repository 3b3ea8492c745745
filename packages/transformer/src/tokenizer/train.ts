import { type CallOptions, TesseraeError } from '@tesserae/core';
import { byteCharacters, wordCharacters } from './byte-alphabet.js';
import type { BytePairModel } from './byte-pair-model.js';
import { idsOf, pairOf } from './merge-symbols.js';
import { createPriorityQueue } from './priority-queue.js';
import { lowerCased, splitWords } from './words.js';

export interface BytePairTrainingOptions extends CallOptions {
  /** Tokens wanted, the 256 bytes included; fewer come out when the corpus has no more frequent pairs. */
  readonly vocabularySize: number;
  /** Default true, as the paper's. */
  readonly lowerCase?: boolean;
  /** Pairs seen less often are not merged. Default 2. */
  readonly minimumFrequency?: number;
}

/** Longer words (addresses, noise) teach no frequent pieces and would slow every merge they are in. */
const longestWord = 200;

/** Ids with every `left right` replaced by `merged`, first come first served. */
function mergePair(ids: readonly number[], left: number, right: number, merged: number): number[] {
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

function countWords(texts: Iterable<string>, lowerCase: boolean): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of splitWords(lowerCase ? lowerCased(text) : text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/**
 * Learns byte-pair merges (Sennrich et al. 2016) over UTF-8 bytes: again and again the most frequent pair of
 * neighbours becomes a token. The same texts give the same model, whatever their order.
 * @throws TesseraeError `invalid-argument` for a vocabulary below 256.
 */
export function trainBytePairModel(texts: Iterable<string>, options: BytePairTrainingOptions): BytePairModel {
  const { vocabularySize, lowerCase = true, minimumFrequency = 2, signal } = options;
  if (!Number.isInteger(vocabularySize) || vocabularySize < 256) {
    throw new TesseraeError('invalid-argument', `A byte-level vocabulary cannot have ${vocabularySize} tokens.`, {
      remedy: 'Ask for at least 256, one a byte.',
      details: { vocabularySize },
    });
  }
  const tokens: string[] = [...byteCharacters];
  const idOf = new Map(tokens.map((token, id) => [token, id] as const));
  const merges: (readonly [string, string])[] = [];
  const words = [...countWords(texts, lowerCase)]
    .map(([word, count]) => ({ ids: wordCharacters(word).map((character) => idOf.get(character) ?? 0), count }))
    .filter(({ ids }) => ids.length > 1 && ids.length <= longestWord);

  const counts = new Map<number, number>();
  const places = new Map<number, Set<number>>();
  const queue = createPriorityQueue();
  const tally = (ids: readonly number[], amount: number, place: number, touched: Set<number>): void => {
    for (let index = 1; index < ids.length; index += 1) {
      const pair = pairOf(ids[index - 1] ?? 0, ids[index] ?? 0);
      counts.set(pair, (counts.get(pair) ?? 0) + amount);
      if (amount > 0) {
        const known = places.get(pair);
        if (known === undefined) places.set(pair, new Set([place]));
        else known.add(place);
        touched.add(pair);
      }
    }
  };
  const enqueue = (touched: ReadonlySet<number>): void => {
    for (const pair of touched) queue.push(counts.get(pair) ?? 0, pair);
  };

  const initial = new Set<number>();
  for (const [place, { ids, count }] of words.entries()) tally(ids, count, place, initial);
  enqueue(initial);
  while (tokens.length < vocabularySize) {
    signal?.throwIfAborted();
    const best = queue.pop();
    if (best === undefined) break;
    const current = counts.get(best.item) ?? 0;
    if (current !== best.priority) {
      // An old entry: the pair lost occurrences since to other merges.
      if (current >= minimumFrequency && current < best.priority) queue.push(current, best.item);
      continue;
    }
    if (current < minimumFrequency) break;
    const [left, right] = idsOf(best.item);
    const token = `${tokens[left] ?? ''}${tokens[right] ?? ''}`;
    // The same letters may have been joined another way before; then that token gets a second merge.
    const merged = idOf.get(token) ?? tokens.push(token) - 1;
    idOf.set(token, merged);
    merges.push([tokens[left] ?? '', tokens[right] ?? '']);
    const touched = new Set<number>();
    for (const place of places.get(best.item) ?? []) {
      const word = words[place];
      if (word === undefined) continue;
      const joined = mergePair(word.ids, left, right, merged);
      if (joined.length === word.ids.length) continue;
      tally(word.ids, -word.count, place, touched);
      tally(joined, word.count, place, touched);
      word.ids = joined;
    }
    places.delete(best.item);
    enqueue(touched);
  }
  return { lowerCase, tokens, merges };
}
