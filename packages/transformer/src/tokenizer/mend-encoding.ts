import { windowsCharacter } from './html-entities.js';

/** The bytes from 0x80 on as Windows-1252 shows them, where it shows nothing as the control of that number: how UTF-8 looks that was decoded wrongly. */
const shownBytes = Array.from({ length: 0x80 }, (_, index) => (index < 0x20 ? windowsCharacter(0x80 + index) : String.fromCharCode(0x80 + index)));
const byteOf = new Map(shownBytes.map((character, index) => [character, 0x80 + index] as const));

const shown = (from: number, to: number): string => `[${shownBytes.slice(from - 0x80, to - 0x80 + 1).join('')}]`;
const follower = shown(0x80, 0xbf);
/**
 * What hardly anybody writes on purpose: a character of three or four bytes; one of two that begins with Â, Ã, Ä or Å, as Western letters and signs
 * do; two others of two bytes, as words of Greek, Cyrillic, Hebrew and Arabic have them. A single `É®` is a name and its sign.
 */
const misread = new RegExp(`${shown(0xf0, 0xf4)}${follower}{3}|${shown(0xe0, 0xef)}${follower}{2}|${shown(0xc2, 0xc5)}${follower}|(?:${shown(0xc6, 0xdf)}${follower}){2,}`, 'g');

/** Text whose UTF-8 was taken for Windows-1252 on its way, as it was before: `cafÃ©` → `café`. What is no UTF-8 stays as it is. */
export function mendEncoding(text: string): string {
  return text.replace(misread, (characters) => {
    const bytes = Uint8Array.from(characters, (character) => byteOf.get(character) ?? 0);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return characters;
    }
  });
}
