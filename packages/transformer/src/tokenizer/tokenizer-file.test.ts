import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { charBpeTokenizerFile, parseTextTokenizerConfiguration, parseTokenizerFile, textTokenizerFromFile } from './index.js';

const read = (name: string): string => readFileSync(new URL(`../__fixtures__/hugging-face/${name}`, import.meta.url), 'utf8');

interface Row {
  readonly text: string;
  readonly ids: readonly number[];
  readonly bare: readonly number[];
  readonly decoded: string;
}
const recorded = JSON.parse(read('recorded.json')) as Readonly<Record<string, readonly Row[]>>;
const names = Object.keys(recorded);

describe.each(names)("Hugging Face's own library and the file %s.json", (name) => {
  const file = parseTokenizerFile(read(`${name}.json`));
  const tokenizer = textTokenizerFromFile(file);
  const bare = textTokenizerFromFile(file, { framed: false });
  const rows = recorded[name] ?? [];

  it('give the same ids in every script, with and without the frame', () => {
    expect(rows.length).toBeGreaterThan(35);
    for (const row of rows) {
      expect([...tokenizer.encode(row.text)], JSON.stringify(row.text)).toEqual(row.ids);
      expect([...bare.encode(row.text)], JSON.stringify(row.text)).toEqual(row.bare);
    }
  });

  it('give the same text back', () => {
    for (const row of rows) expect(tokenizer.decode(row.bare)).toBe(row.decoded);
  });
});

describe('vocab.json and merges.txt of a CharBPETokenizer', () => {
  it('make the file that the library itself writes', () => {
    expect(charBpeTokenizerFile({ vocabulary: read('char-bpe-vocab.json'), merges: read('char-bpe-merges.txt') })).toEqual(JSON.parse(read('char-bpe.json')));
  });
});

describe('a tokenizer.json that is not followed to the letter', () => {
  const base = JSON.parse(read('words.json')) as { readonly model: Readonly<Record<string, unknown>> } & Readonly<Record<string, unknown>>;
  const changed =
    (fields: Readonly<Record<string, unknown>>): (() => unknown) =>
    () =>
      textTokenizerFromFile({ ...base, ...fields });

  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['model.type', { model: { ...base.model, type: 'Unigram' } }],
    ['model.byte_fallback', { model: { ...base.model, byte_fallback: true } }],
    ['model.continuing_subword_prefix', { model: { ...base.model, continuing_subword_prefix: '##' } }],
    ['normalizer', { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AA==' } }],
    ['normalizer', { normalizer: { type: 'constructor' } }],
    ['pre_tokenizer', { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'UnicodeScripts' }] } }],
    ['post_processor', { post_processor: { type: 'Unheard' } }],
    ['decoder', { decoder: { type: 'CTC' } }],
    ['pre_tokenizer.pattern', { pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false } }],
    ['pre_tokenizer.pattern', { pre_tokenizer: { type: 'Split', pattern: { Regex: String.raw`(a)\1` }, behavior: 'Isolated', invert: false } }],
    ['normalizer.pattern', { normalizer: { type: 'Replace', pattern: { Regex: '(?>a)' }, content: '' } }],
  ])('is refused, its %s named', (part, fields) => {
    expect(changed(fields)).toThrow(expect.objectContaining({ code: 'model-incompatible', message: expect.stringContaining(`'${part}'`) }));
  });

  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['a model', { model: null }],
    ['a vocabulary', { model: { ...base.model, vocab: null } }],
    ['unique ids', { model: { ...base.model, vocab: { a: 0, b: 0 }, merges: [] } }],
    ['whole ids', { model: { ...base.model, vocab: { a: 0.5 }, merges: [] } }],
    ['every id', { model: { ...base.model, vocab: { a: 1 }, merges: [] }, added_tokens: [] }],
    ['its unknown token', { model: { ...base.model, unk_token: 'nowhere' } }],
    ['merges of its tokens', { model: { ...base.model, merges: [['qq', 'zz']] } }],
    ['readable added tokens', { added_tokens: [{ id: 0 }] }],
    ['a frame of its tokens', { post_processor: { type: 'RobertaProcessing', cls: ['x', 1_000_000], sep: ['y', 1] } }],
    ['normalisers in its sequence', { normalizer: { type: 'Sequence' } }],
  ])('is corrupt without %s', (_, fields) => {
    expect(changed(fields)).toThrow(expect.objectContaining({ code: 'file-corrupt' }));
  });

  it('is corrupt where it is no JSON', () => {
    for (const text of ['{"model": ', '[]', 'null']) expect(() => parseTokenizerFile(text)).toThrow(expect.objectContaining({ code: 'file-corrupt' }));
  });

  it('may say beside it how texts are cleaned, and nothing else', () => {
    expect(parseTextTokenizerConfiguration({ kind: 'text-tokenizer', cleaning: 'clip' })).toEqual({ kind: 'text-tokenizer', cleaning: 'clip' });
    for (const source of [null, {}, { kind: 'text-tokenizer', cleaning: 'soap' }]) {
      expect(() => parseTextTokenizerConfiguration(source)).toThrow(expect.objectContaining({ code: 'model-incompatible' }));
    }
  });
});
