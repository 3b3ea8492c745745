import { Tokenizer } from '@huggingface/tokenizers';
import { keyFromSeed } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { createBytePairTokenizer, parseTokenizerFile, textTokenizerFromFile, tokenizerFileOf, trainBytePairModel } from './index.js';

const corpus = Array.from({ length: 3000 }, (_, index) => {
  const colours = ['red', 'orange', 'blue', 'green', 'purple'];
  const shapes = ['circle', 'square', 'star', 'heart', 'triangle'];
  const places = ['above', 'below', 'to the left of', "next to the child's"];
  return `A ${colours[index % 5]} ${shapes[(index * 3) % 5]} ${places[index % 4]} a ${colours[(index * 7 + 1) % 5]} ${shapes[index % 3]}, ${index % 97} times.`;
});
const model = trainBytePairModel(corpus, { vocabularySize: 400 });
const tokenizer = createBytePairTokenizer(model);

const texts = [
  '',
  ' ',
  'a red circle above a blue star',
  'A RED Circle',
  "the child's dog won't; we've  two   spaces ",
  'déjà vu — naïve façade',
  '赤い丸 \u{1F600}\u{1F468}‍\u{1F469}‍\u{1F467} مرحبا Привет',
  'tabs\tand\nlines\r\n\u0000\u0007\u001b[0m',
  'x'.repeat(5000),
  '12345 67,8.9 #!?$%',
  '\u{10FFFF}\u0085\u00a0nbsp',
];

describe('byte-pair training', () => {
  it('merges the most frequent pair first, the lowest among equals', () => {
    // "ab" three times, "bc" and " a" twice; after ab: " "+"ab" and "ab"+"c" twice each; a space (byte 32) is the lower.
    const { tokens, merges } = trainBytePairModel(['abc abc abd'], { vocabularySize: 259 });
    expect(merges).toEqual([
      ['a', 'b'],
      ['Ġ', 'ab'],
    ]);
    expect(tokens.slice(256)).toEqual(['ab', 'Ġab']);
  });

  it('does not depend on the order of the texts', () => {
    expect(trainBytePairModel([...corpus].reverse(), { vocabularySize: 400 })).toEqual(model);
  });

  it('stops where nothing is frequent enough, and refuses a vocabulary without all bytes', () => {
    expect(trainBytePairModel(['ab'], { vocabularySize: 1000 }).tokens).toHaveLength(256);
    expect(() => trainBytePairModel([], { vocabularySize: 255 })).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('agrees with merging done the slow, plain way', () => {
    const words = ['low low low low low', 'lower lower', 'newest newest newest newest newest newest', 'widest widest widest'];
    const { merges } = trainBytePairModel(words, { vocabularySize: 275 });
    const pieces = words.flatMap((text) => text.match(/ ?\S+/g) ?? []).map((word) => [...word.replace(' ', 'Ġ')]);
    const codeOf = (token: string): number => model.tokens.indexOf(token);
    const ids = new Map<string, number>();
    const idOf = (token: string): number => ids.get(token) ?? codeOf(token);
    merges.forEach((merge, index) => {
      const counts = new Map<string, number>();
      for (const word of pieces) for (let at = 1; at < word.length; at += 1) counts.set(`${word[at - 1]} ${word[at]}`, (counts.get(`${word[at - 1]} ${word[at]}`) ?? 0) + 1);
      const ranked = [...counts].sort(([a, countA], [b, countB]) => {
        const [aLeft = '', aRight = ''] = a.split(' ');
        const [bLeft = '', bRight = ''] = b.split(' ');
        return countB - countA || idOf(aLeft) - idOf(bLeft) || idOf(aRight) - idOf(bRight);
      });
      expect(merge.join(' ')).toBe(ranked[0]?.[0]);
      ids.set(merge.join(''), 256 + index);
      for (const word of pieces) for (let at = 1; at < word.length; at += 1) if (word[at - 1] === merge[0] && word[at] === merge[1]) word.splice(at - 1, 2, merge.join(''));
    });
    expect(merges.length).toBeGreaterThan(10);
  });
});

describe('encode and decode', () => {
  it.each(texts)('brings back %j, lower-cased', (text) => {
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.toLowerCase());
  });

  it('keeps case where it was trained to', () => {
    const cased = createBytePairTokenizer(trainBytePairModel(corpus, { vocabularySize: 300, lowerCase: false }));
    expect(cased.decode(cased.encode('A Red ÉTOILE'))).toBe('A Red ÉTOILE');
  });

  it('makes one token of a frequent word', () => {
    expect(tokenizer.encode('a red circle')).toHaveLength(3);
  });

  it('turns half a character into U+FFFD and refuses ids it does not have', () => {
    expect(tokenizer.decode(tokenizer.encode('a\ud800'))).toBe('a\ufffd');
    expect(tokenizer.decode(tokenizer.encode('\udc00\ud800x'))).toBe('\ufffd\ufffdx');
    for (const id of [tokenizer.vocabularySize, -1, 0.5, Number.NaN]) expect(() => tokenizer.decode([id])).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    // Half of a character's bytes is no text either.
    expect(tokenizer.decode([...tokenizer.encode('é')].slice(0, 1))).toBe('\ufffd');
  });

  it('takes a text of any length, one word of 20,000 letters included', () => {
    const word = Array.from({ length: 20_000 }, (_, index) => 'redcirlsqu'.charAt((index * index) % 10)).join('');
    expect(tokenizer.decode(tokenizer.encode(word))).toBe(word);
    const spaces = `a${' '.repeat(20_000)}b`;
    expect(tokenizer.decode(tokenizer.encode(spaces))).toBe(spaces);
  });
});

describe('BPE dropout', () => {
  const keys = Array.from({ length: 12 }, (_, seed) => keyFromSeed(seed));

  it.each([0.1, 0.5, 1])('at the rate %s gives other ids of the same text', (rate) => {
    for (const text of texts) {
      for (const key of keys.slice(0, 3)) expect(tokenizer.decode(tokenizer.encodeWithDropout(text, { rate, key }))).toBe(tokenizer.decode(tokenizer.encode(text)));
    }
    const [caption = ''] = corpus;
    const drawn = keys.map((key) => tokenizer.encodeWithDropout(caption, { rate, key }));
    const usual = tokenizer.encode(caption).length;
    for (const ids of drawn) expect(ids.length).toBeGreaterThanOrEqual(usual);
    expect(Math.max(...drawn.map((ids) => ids.length))).toBeGreaterThan(usual);
  });

  it('depends on the key alone', () => {
    const [caption = ''] = corpus;
    const at = (seed: number): number[] => [...tokenizer.encodeWithDropout(caption, { rate: 0.3, key: keyFromSeed(seed) })];
    expect(at(1)).toEqual(at(1));
    expect(new Set(keys.map((_, seed) => at(seed).join(' '))).size).toBeGreaterThan(6);
  });

  it('at the rate 0 is the usual encoding, and so it is where nothing happens to be left out', () => {
    for (const text of texts) {
      for (const rate of [0, 1e-12]) expect(tokenizer.encodeWithDropout(text, { rate, key: keyFromSeed(1) })).toEqual(tokenizer.encode(text));
    }
  });

  it('at the rate 1 leaves every byte alone', () => {
    expect(tokenizer.encodeWithDropout('déjà vu', { rate: 1, key: keyFromSeed(1) })).toHaveLength(new TextEncoder().encode('déjà vu').length);
  });

  it('leaves each possible merge out as often as it says, anew before every merge', () => {
    const letters = createBytePairTokenizer({
      lowerCase: true,
      tokens: [...model.tokens.slice(0, 256), 'ab', 'bc', 'de', 'def'],
      merges: [
        ['a', 'b'],
        ['b', 'c'],
        ['d', 'e'],
        ['de', 'f'],
      ],
    });
    const [rate, draws] = [0.3, 4000];
    const counts = new Map<string, number>();
    for (let draw = 0; draw < draws; draw += 1) {
      for (const text of ['abc', 'def']) {
        const pieces = Array.from(letters.encodeWithDropout(text, { rate, key: keyFromSeed(draw) }), (id) => letters.decode([id])).join('|');
        counts.set(pieces, (counts.get(pieces) ?? 0) + 1);
      }
    }
    // abc: the better merge stays in; else the other; else none. def: both stay in, one after the other, or it ends before.
    const chances = { 'ab|c': 1 - rate, 'a|bc': rate * (1 - rate), 'a|b|c': rate * rate, def: (1 - rate) ** 2, 'de|f': (1 - rate) * rate, 'd|e|f': rate };
    expect([...counts.keys()].sort()).toEqual(Object.keys(chances).sort());
    for (const [pieces, chance] of Object.entries(chances))
      expect(Math.abs((counts.get(pieces) ?? 0) / draws - chance), pieces).toBeLessThan(5 * Math.sqrt((chance * (1 - chance)) / draws));
  });

  it('refuses rates that are none', () => {
    for (const rate of [-0.1, 1.1, Number.NaN]) {
      expect(() => tokenizer.encodeWithDropout('a', { rate, key: keyFromSeed(1) })).toThrow(expect.objectContaining({ code: 'invalid-argument', details: { rate } }));
    }
  });
});

describe('tokenizer.json', () => {
  const file = tokenizerFileOf(model);

  it('comes back as the same tokenizer', () => {
    const again = textTokenizerFromFile(parseTokenizerFile(JSON.stringify(file)));
    expect(again.vocabularySize).toBe(tokenizer.vocabularySize);
    for (const text of [...texts, ...corpus.slice(0, 50)]) {
      expect(again.encode(text)).toEqual(tokenizer.encode(text));
      expect(again.decode(again.encode(text))).toBe(tokenizer.decode(tokenizer.encode(text)));
    }
  });

  it.each([true, false])('is read by Hugging Face’s tokenizers, which give the same ids (lower-casing: %s)', (lowerCase) => {
    const own = trainBytePairModel(corpus, { vocabularySize: 350, lowerCase });
    const theirs = new Tokenizer(tokenizerFileOf(own), {});
    const ours = createBytePairTokenizer(own);
    for (const text of [...texts, ...corpus.slice(0, 50)]) {
      expect(theirs.encode(text).ids, JSON.stringify(text)).toEqual([...ours.encode(text)]);
    }
  });

  it('may have its merges written as strings', () => {
    const strings = JSON.parse(JSON.stringify(file)) as { model: { merges: unknown } };
    strings.model.merges = model.merges.map((merge) => merge.join(' '));
    expect(textTokenizerFromFile(strings).encode(corpus[0] ?? '')).toEqual(tokenizer.encode(corpus[0] ?? ''));
  });
});
