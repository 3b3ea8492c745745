import { escapedPattern } from '../added-tokens.js';
import { isFields, unsupported } from './fields.js';

/** Longer than any pattern met; what is longer is no honest one. */
const longestPattern = 2000;

/** Classes that mean something else in JavaScript, as Oniguruma has them: by Unicode. */
const classes: Readonly<Record<string, string>> = {
  s: '\\p{White_Space}',
  S: '\\P{White_Space}',
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  w: '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}',
};
const sameEscapes = /^[nrtfvpPux^$\\.*+?()[\]{}|/]$/;

/**
 * An Oniguruma expression as JavaScript's, as far as tokenizers use them: Unicode classes, `(?i:…)`, lookarounds. A group must not be repeated:
 * that is where matching can take exponential time, and the file may be anybody's.
 */
function translated(source: string, part: string): string {
  const refuse = (): never => unsupported(part, source);
  let result = '';
  let inClass = false;
  /** Whether each open group ignores case. */
  const groups: boolean[] = [];
  for (let at = 0; at < source.length; at += 1) {
    const character = source.charAt(at);
    if (character === '\\') {
      at += 1;
      const escaped = source.charAt(at);
      const unicode = classes[escaped];
      if (unicode !== undefined) result += inClass || escaped !== 'w' ? unicode : `[${unicode}]`;
      else if (escaped === 'W' && !inClass) result += `[^${classes.w ?? ''}]`;
      else if (sameEscapes.test(escaped)) result += `\\${escaped}`;
      else if (/[\p{L}\p{N}]/u.test(escaped) || escaped === '') refuse();
      else result += inClass && escaped === '-' ? '\\-' : escaped;
      if (escaped === 'p' || escaped === 'P') {
        const end = source.indexOf('}', at);
        if (source.charAt(at + 1) !== '{' || end < 0) refuse();
        result += source.slice(at + 1, end + 1);
        at = end;
      }
    } else if (inClass) {
      if (character === '[' || (character === '&' && source.charAt(at + 1) === '&') || (groups.at(-1) === true && /\p{L}/u.test(character))) refuse();
      inClass = character !== ']';
      result += character;
    } else if (character === '(') {
      const ignoresCase = source.startsWith('(?i:', at);
      groups.push(ignoresCase || groups.at(-1) === true);
      result += ignoresCase ? '(?:' : '(';
      if (ignoresCase) at += 3;
    } else if (character === ')') {
      groups.pop();
      if (/[*+?{]/.test(source.charAt(at + 1))) refuse();
      result += ')';
    } else {
      inClass = character === '[';
      const isLetter = groups.at(-1) === true && character.toLowerCase() !== character.toUpperCase();
      result += isLetter ? `[${character.toLowerCase()}${character.toUpperCase()}]` : character;
    }
  }
  return result;
}

/**
 * A pattern of a `tokenizer.json`, `{ String }` or `{ Regex }`.
 * @throws TesseraeError `model-incompatible` for what JavaScript cannot match, or not safely.
 */
export function patternOf(value: unknown, part: string): RegExp {
  if (isFields(value) && typeof value.String === 'string' && value.String !== '') return new RegExp(escapedPattern(value.String), 'gu');
  if (!isFields(value) || typeof value.Regex !== 'string' || value.Regex.length > longestPattern) return unsupported(part, value);
  try {
    return new RegExp(translated(value.Regex, part), 'gmu');
  } catch (cause) {
    if (cause instanceof SyntaxError) return unsupported(part, value);
    throw cause;
  }
}
