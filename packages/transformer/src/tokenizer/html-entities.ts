/** Names of U+00A0 … U+00FF in order (HTML 4, Latin-1). HTML lets these end without a semicolon. */
const latin1 =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml';

const withoutSemicolon: ReadonlyMap<string, string> = new Map([
  ...latin1.split(' ').map((name, index) => [name, String.fromCodePoint(0xa0 + index)] as const),
  ...Object.entries({ amp: '&', AMP: '&', lt: '<', LT: '<', gt: '>', GT: '>', quot: '"', QUOT: '"', COPY: '©', REG: '®' }),
]);

/** The punctuation and signs of HTML 4 that captions have; Greek letters and mathematics are left as they are written. */
const withSemicolon: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...Object.fromEntries(withoutSemicolon),
    ...{ apos: "'", OElig: 'Œ', oelig: 'œ', Scaron: 'Š', scaron: 'š', Yuml: 'Ÿ', circ: 'ˆ', tilde: '˜', ensp: '\u2002', emsp: '\u2003', thinsp: '\u2009' },
    ...{ zwnj: '\u200c', zwj: '\u200d', lrm: '\u200e', rlm: '\u200f', ndash: '–', mdash: '—', lsquo: '‘', rsquo: '’', sbquo: '‚', ldquo: '“', rdquo: '”', bdquo: '„' },
    ...{ dagger: '†', Dagger: '‡', bull: '•', hellip: '…', permil: '‰', prime: '′', Prime: '″', lsaquo: '‹', rsaquo: '›', euro: '€', trade: '™', minus: '−' },
    ...{ larr: '←', uarr: '↑', rarr: '→', darr: '↓', harr: '↔', infin: '∞', ne: '≠', le: '≤', ge: '≥', spades: '♠', clubs: '♣', hearts: '♥', diams: '♦' },
  }),
);

/** U+0080 … U+009F in Windows-1252, which is what HTML takes these controls for. (Node 20's own decoder leaves them as they are.) */
const windows = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** The Windows-1252 character of a code from 0x80 to 0x9F. */
export function windowsCharacter(code: number): string {
  return windows.charAt(code - 0x80);
}

function numbered(code: number): string {
  if (code >= 0x80 && code <= 0x9f) return windowsCharacter(code);
  const isText = code !== 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return isText ? String.fromCodePoint(code) : '\ufffd';
}

/** Character references as characters: numbers and the names above. `strict`: only those that end in a semicolon. */
export function unescapeHtml(text: string, { strict = false }: { readonly strict?: boolean } = {}): string {
  return text.replace(/&(?:#(\d{1,7})(;?)|#[xX]([0-9a-fA-F]{1,6})(;?)|([0-9A-Za-z]{1,32})(;?))/g, (written, decimal, decimalEnd, hexadecimal, hexadecimalEnd, name, nameEnd) => {
    const isEnded = (decimalEnd || hexadecimalEnd || nameEnd) === ';';
    if (strict && !isEnded) return written;
    if (decimal !== undefined) return numbered(Number(decimal));
    if (hexadecimal !== undefined) return numbered(Number.parseInt(hexadecimal, 16));
    const whole = isEnded ? withSemicolon.get(name) : undefined;
    if (whole !== undefined || strict) return whole ?? written;
    // As browsers do, the longest beginning that is a name: `&copy2020` is ©2020.
    for (let length = name.length; length > 1; length -= 1) {
      const known = withoutSemicolon.get(name.slice(0, length));
      if (known !== undefined) return known + name.slice(length) + nameEnd;
    }
    return written;
  });
}
