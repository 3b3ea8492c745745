import { describe, expect, it } from 'vitest';
import { windowsCharacter } from './html-entities.js';
import { mendEncoding } from './mend-encoding.js';

/** UTF-8 taken for Windows-1252. */
const misread = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => (byte >= 0x80 && byte < 0xa0 ? windowsCharacter(byte) : String.fromCharCode(byte))).join('');

describe('text whose UTF-8 was taken for Windows-1252', () => {
  it.each(['café', '“quoted” — and so on…', 'Żółw, naïve', '5 £ or 3 €', 'Привет мир', 'γειά σου', 'שלום', '你好世界', 'a cat 🐱 and a 🥑'])('%s is mended', (text) => {
    expect(misread(text)).not.toBe(text);
    expect(mendEncoding(misread(text))).toBe(text);
  });

  it.each(['café', 'NESTLÉ®', 'ÀÁÂÃÄÅ', 'SÃO PAULO', '“smart” quotes', 'Привет', '你好', '🐱', '¡Olé!', 'Â', 'plain'])('%s was right and stays', (text) => {
    expect(mendEncoding(text)).toBe(text);
  });

  it('may stand among text that was decoded rightly', () => {
    expect(mendEncoding('schön â€œquotedâ€\x9d')).toBe('schön “quoted”');
  });

  it('stays where the bytes are no UTF-8', () => {
    // E0 80 80 is longer than it need be, ED A0 80 half a pair.
    for (const bytes of ['à€€', 'í\u00a0€']) expect(mendEncoding(bytes)).toBe(bytes);
  });
});
