import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { cleanCaption, clipTokenizerFile, minDalleTokenizerFile, textTokenizerFromFile } from './index.js';

const fixture = (path: string): URL => new URL(`../__fixtures__/${path}`, import.meta.url);

interface ClipRow {
  readonly text: string;
  readonly cleaned: string;
  readonly ids: readonly number[];
  readonly decoded: string;
}
const clip = JSON.parse(readFileSync(fixture('openai-clip/strings.json'), 'utf8')) as { readonly rows: readonly ClipRow[] };

describe("a caption as OpenAI's CLIP cleans it", () => {
  it('is what ftfy, html.unescape and lower make of it', () => {
    expect(clip.rows.length).toBeGreaterThan(50);
    for (const { text, cleaned } of clip.rows) expect(cleanCaption(text), JSON.stringify(text)).toBe(cleaned);
  });

  it('has character references read as HTML reads them', () => {
    expect(cleanCaption('R&amp;D &copy2020 AT&T &notareference; &#x2603;&#233;&#150; &nbsp; x')).toBe('r&d ©2020 at&t ¬areference; ☃é– x');
    expect(cleanCaption('&#0;&#xD800;&#9999999; &#; &;')).toBe('��� &#; &;');
  });
});

/** CLIP's vocabulary is not ours to hand on: it is read from beside the repository, where it is. */
const vocabulary = new URL('../../../../../shared/fixtures/openai-clip/tokenizer/bpe_simple_vocab_16e6.txt.gz', import.meta.url);
const isThere = existsSync(vocabulary);

describe.skipIf(!isThere)(`CLIP's BPE${isThere ? '' : ' (its vocabulary is absent: ../shared/fixtures/openai-clip/tokenizer)'}`, () => {
  const tokenizer = isThere
    ? textTokenizerFromFile(clipTokenizerFile(gunzipSync(readFileSync(vocabulary)).toString('utf8')), { cleaning: 'clip' })
    : textTokenizerFromFile({ model: { vocab: {}, merges: [] } });

  it('gives the recorded ids of cleaned and of uncleaned texts', () => {
    expect(tokenizer.vocabularySize).toBe(49_408);
    for (const { text, cleaned, ids } of clip.rows) {
      expect([...tokenizer.encode(cleaned)], JSON.stringify(text)).toEqual(ids);
      expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(ids);
    }
  });

  it('reads ids back as the peer does', () => {
    for (const { ids, decoded } of clip.rows) expect(tokenizer.decode(ids)).toBe(decoded);
  });
});

it("refuses what is not CLIP's vocabulary", () => {
  for (const text of ['', '{"model": {}}', '"bpe_simple_vocab_16e6.txt#version: 0.2\ni n\nt h\n'])
    expect(() => clipTokenizerFile(text)).toThrow(expect.objectContaining({ code: 'file-corrupt' }));
});

describe("min-dalle's tokenizer", () => {
  const read = (name: string): string => readFileSync(fixture(`min-dalle/tokenizer/${name}`), 'utf8');
  const files = { vocabulary: read('vocab.json'), merges: read('merges.txt') };
  const tokenizer = textTokenizerFromFile(minDalleTokenizerFile(files));
  const rows = JSON.parse(read('strings.json')) as readonly { readonly text: string; readonly demojized: string; readonly ids: readonly number[] }[];

  it('gives the recorded ids: dropped letters, tabs inside words, the frame', () => {
    expect(rows.length).toBeGreaterThan(15);
    for (const { text, demojized, ids } of rows) expect([...tokenizer.encode(demojized)], JSON.stringify(text)).toEqual(ids);
  });

  it('leaves emoji out where the peer spells their names', () => {
    expect([...tokenizer.encode('avocado armchair 🥑')]).toEqual([...tokenizer.encode('avocado armchair')]);
  });

  it.each([
    ['vocab.json', { ...files, vocabulary: '{' }],
    ['vocab.json', { ...files, vocabulary: '{"a": "b"}' }],
    ["no token '</s>'", { ...files, vocabulary: '{"<s>": 0}' }],
    ['merges.txt', { ...files, merges: '#version: 0.2\na b c' }],
  ])('is corrupt where its files are: %s', (named, broken) => {
    expect(() => minDalleTokenizerFile(broken)).toThrow(expect.objectContaining({ code: 'file-corrupt', message: expect.stringContaining(named) }));
  });
});
