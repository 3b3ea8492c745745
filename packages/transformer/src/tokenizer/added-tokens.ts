/** A token that is found in a text as it stands, before words are looked at. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Not part of what a text says: left out when ids become text again. */
  readonly special: boolean;
  /** Looked for after normalisation, its own content normalised too; else in the text as it was given. */
  readonly normalized: boolean;
  /** Only where no letter, digit or underscore touches it. */
  readonly singleWord: boolean;
  /** Takes the white space before it, or behind it, along. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
}

/** A piece of text, or the id of an added token. */
export type Segment = string | number;

const wordBefore = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const wordBehind = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const spaceBefore = /\p{White_Space}+$/u;
const spaceBehind = /^\p{White_Space}+/u;

/** A literal as a pattern. */
export function escapedPattern(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Cuts texts at these tokens, each given with what stands for it in a text: leftmost first, the longest where several begin. */
export function createTokenCutter(tokens: readonly (readonly [written: string, token: AddedToken])[]): (text: string) => readonly Segment[] {
  const byText = new Map(tokens.filter(([written]) => written !== ''));
  if (byText.size === 0) return (text) => (text === '' ? [] : [text]);
  const longestFirst = [...byText.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escapedPattern).join('|'), 'gu');
  return (text) => {
    const segments: Segment[] = [];
    let done = 0;
    const take = (end: number): void => {
      if (end > done) segments.push(text.slice(done, end));
    };
    for (const match of text.matchAll(pattern)) {
      const token = byText.get(match[0]);
      let [start, end] = [match.index, match.index + match[0].length];
      if (token === undefined || start < done) continue;
      if (token.singleWord && (wordBefore.test(text.slice(0, start)) || wordBehind.test(text.slice(end)))) continue;
      if (token.stripsLeft) start -= spaceBefore.exec(text.slice(done, start))?.[0].length ?? 0;
      if (token.stripsRight) end += spaceBehind.exec(text.slice(end))?.[0].length ?? 0;
      take(start);
      segments.push(token.id);
      done = end;
    }
    take(text.length);
    return segments;
  };
}
