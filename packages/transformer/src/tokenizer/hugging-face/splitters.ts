import { wordCharacters } from '../byte-alphabet.js';
import { splitWords } from '../words.js';
import { type Fields, stepsOf, textField, truthField, unsupported } from './fields.js';
import { patternOf } from './pattern.js';

type Splitter = (piece: string, isStart: boolean) => readonly string[];

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
type Behavior = (typeof behaviors)[number];

const part = 'pre_tokenizer';

function behaviorOf(fields: Fields): Behavior {
  const given = textField(fields, 'behavior', part, 'Isolated');
  // Written `Isolated` or `isolated`, `merged_with_previous`.
  const plain = given.replaceAll('_', '').toLowerCase();
  return behaviors.find((name) => name.toLowerCase() === plain) ?? unsupported(`${part}.behavior`, given);
}

/** Splits at matches; `behavior` says what becomes of them. `invert`: what lies between matches is a match. */
function splitAt(text: string, pattern: RegExp, behavior: Behavior, invert = false): readonly string[] {
  const pieces: { text: string; readonly isMatch: boolean }[] = [];
  let done = 0;
  const take = (end: number, isMatch: boolean): void => {
    const piece = text.slice(done, end);
    done = end;
    if (piece === '') return;
    const last = pieces.at(-1);
    const joins = behavior === 'Contiguous' ? last?.isMatch === isMatch : behavior === 'MergedWithPrevious' && isMatch && last?.isMatch === false;
    if (!joins || last === undefined) pieces.push({ text: piece, isMatch });
    // What has taken a match is as good as one: a second match does not join it.
    else pieces[pieces.length - 1] = { text: last.text + piece, isMatch };
  };
  for (const match of text.matchAll(pattern)) {
    if (match[0] === '') continue;
    take(match.index, invert);
    take(match.index + match[0].length, !invert);
  }
  take(text.length, invert);
  if (behavior === 'Removed') return pieces.flatMap((piece) => (piece.isMatch ? [] : [piece.text]));
  if (behavior !== 'MergedWithNext') return pieces.map((piece) => piece.text);
  const merged: string[] = [];
  let before = '';
  for (const piece of pieces) {
    // Of several matches in a row only the last goes with what follows.
    if (piece.isMatch) {
      if (before !== '') merged.push(before);
      before = piece.text;
    } else {
      merged.push(before + piece.text);
      before = '';
    }
  }
  return before === '' ? merged : [...merged, before];
}

const punctuation = /[!-/:-@[-`{-~\p{P}]/gu;
const space = /\p{White_Space}/gu;

function metaspace(fields: Fields): Splitter {
  const replacement = textField(fields, 'replacement', part, '▁');
  // Older files say add_prefix_space.
  const scheme = textField(fields, 'prepend_scheme', part, truthField(fields, 'add_prefix_space', part, true) ? 'always' : 'never');
  if (!['always', 'first', 'never'].includes(scheme)) unsupported(`${part}.prepend_scheme`, scheme);
  const splits = truthField(fields, 'split', part, true);
  return (piece, isStart) => {
    const written = piece.replaceAll(' ', replacement);
    const begins = (scheme === 'always' || (scheme === 'first' && isStart)) && !written.startsWith(replacement);
    const whole = begins ? replacement + written : written;
    return splits ? splitAt(whole, patternOf({ String: replacement }, part), 'MergedWithNext') : [whole];
  };
}

const splitters: Readonly<Record<string, (fields: Fields) => Splitter>> = {
  ByteLevel(fields) {
    const [prefixes, splits] = [truthField(fields, 'add_prefix_space', part, true), truthField(fields, 'use_regex', part, true)];
    return (piece) => {
      const whole = prefixes && !piece.startsWith(' ') ? ` ${piece}` : piece;
      return (splits ? splitWords(whole) : [whole]).map((word) => wordCharacters(word).join(''));
    };
  },
  Split(fields) {
    const [pattern, behavior, invert] = [patternOf(fields.pattern, `${part}.pattern`), behaviorOf(fields), truthField(fields, 'invert', part, false)];
    return (piece) => splitAt(piece, pattern, behavior, invert);
  },
  Whitespace: () => (piece) => piece.match(/[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu) ?? [],
  WhitespaceSplit: () => (piece) => splitAt(piece, space, 'Removed'),
  BertPreTokenizer: () => (piece) => splitAt(piece, space, 'Removed').flatMap((word) => splitAt(word, punctuation, 'Isolated')),
  Punctuation(fields) {
    const behavior = behaviorOf(fields);
    return (piece) => splitAt(piece, punctuation, behavior);
  },
  Digits(fields) {
    const behavior = truthField(fields, 'individual_digits', part, false) ? 'Isolated' : 'Contiguous';
    return (piece) => splitAt(piece, /\p{N}/gu, behavior);
  },
  CharDelimiterSplit(fields) {
    const pattern = patternOf({ String: textField(fields, 'delimiter', part) }, `${part}.delimiter`);
    return (piece) => splitAt(piece, pattern, 'Removed');
  },
  Metaspace: metaspace,
};

/** `pre_tokenizer` of a `tokenizer.json`; without one a piece is a word. */
export function splitterOf(value: unknown): Splitter {
  const steps = stepsOf(value, part, 'pretokenizers').map((fields) => {
    const make = Object.hasOwn(splitters, String(fields.type)) ? splitters[String(fields.type)] : undefined;
    return make === undefined ? unsupported(part, fields) : make(fields);
  });
  return (piece, isStart) => steps.reduce<readonly string[]>((pieces, step) => pieces.flatMap((each, index) => step(each, isStart && index === 0)), piece === '' ? [] : [piece]);
}
