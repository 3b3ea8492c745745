import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { createBytePairTokenizer, tokenizerFromJson, tokenizerToJson, trainBytePairModel } from './index.js';

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
    expect(() => tokenizer.decode([tokenizer.vocabularySize])).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});

describe('tokenizer.json', () => {
  const json = tokenizerToJson(model);

  it('comes back the same', () => {
    expect(tokenizerFromJson(json)).toEqual(model);
  });

  it.each([true, false])('is read by Hugging Face’s tokenizers, which give the same ids (lower-casing: %s)', (lowerCase) => {
    const own = trainBytePairModel(corpus, { vocabularySize: 350, lowerCase });
    const theirs = new Tokenizer(JSON.parse(tokenizerToJson(own)), {});
    const ours = createBytePairTokenizer(own);
    for (const text of [...texts, ...corpus.slice(0, 50)]) {
      expect(theirs.encode(text).ids, JSON.stringify(text)).toEqual([...ours.encode(text)]);
    }
  });

  it('also takes merges written as strings', () => {
    const file = JSON.parse(json) as { model: { merges: [string, string][] } };
    expect(tokenizerFromJson(JSON.stringify({ ...file, model: { ...file.model, merges: file.model.merges.map((merge) => merge.join(' ')) } }))).toEqual(model);
  });

  it.each([
    ['file-corrupt', '{"model": '],
    ['file-corrupt', '{}'],
    ['file-corrupt', json.replace('"!": 33', '"!": 34')],
    ['file-corrupt', json.replace('"!": 33,', '')],
    ['file-corrupt', json.replace('"Ġ",', '"ĠĠĠĠ",')],
    ['model-incompatible', json.replace('"BPE"', '"WordPiece"')],
    ['model-incompatible', json.replace('"Lowercase"', '"NFKC"')],
    ['model-incompatible', json.replace('"added_tokens": []', '"added_tokens": [{"id": 0, "content": "<pad>"}]')],
  ])('is refused with %s when it cannot be right', (code, text) => {
    expect(() => tokenizerFromJson(text)).toThrow(expect.objectContaining({ code }));
  });
});
