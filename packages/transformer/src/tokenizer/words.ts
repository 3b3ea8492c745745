/** GPT-2's split into contractions, letters, digits, other signs and white space; a word carries the space before it. */
const wordPattern = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The words of a text; joined they are the text again. Merges never cross from one to the next. */
export function splitWords(text: string): string[] {
  return text.match(wordPattern) ?? [];
}
