/**
 * GPT-2's split into contractions, letters, digits, other signs and white space; a word carries the space before it. White space is Unicode's
 * property, as Hugging Face's `ByteLevel` has it: JavaScript's `\s` lacks U+0085 and has U+FEFF.
 */
const wordPattern = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The words of a text; joined they are the text again. Merges never cross from one to the next. */
export function splitWords(text: string): string[] {
  return text.match(wordPattern) ?? [];
}

/** Every character lower-cased by itself, as Hugging Face's `Lowercase` does: no rule looks at neighbours, so Σ becomes σ also where a word ends. */
export function lowerCased(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join('');
}
