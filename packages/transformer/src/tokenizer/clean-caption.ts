import { unescapeHtml, windowsCharacter } from './html-entities.js';
import { mendEncoding } from './mend-encoding.js';

/** Ligatures and letters of two as ftfy takes them apart: by NFKC, but for the long s, which stays long. */
const ligatures = /[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g;
/** Fullwidth and halfwidth forms, and the ideographic space. */
const widths = /[\u3000\uff01-\uffef]/g;
/** Controls that mean nothing in text; tab and line ends are white space. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const terminalEscapes = /\x1b\[[\d;]*[a-zA-Z]/g;

/** ftfy's `fix_text`, its order and defaults; which text was decoded wrongly is told by a plainer rule (`mendEncoding`). */
function fixText(text: string): string {
  const unescaped = text.includes('<') ? text : unescapeHtml(text, { strict: true });
  return mendEncoding(unescaped)
    .replace(/[\x80-\x9f]/g, (control) => windowsCharacter(control.charCodeAt(0)))
    .replace(terminalEscapes, '')
    .replace(ligatures, (ligature) => (ligature === '\ufb05' ? 'ſt' : ligature.normalize('NFKC')))
    .replace(widths, (character) => character.normalize('NFKC'))
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(controls, '')
    .normalize('NFC');
}

/**
 * A caption as OpenAI's CLIP makes it ready for its BPE, and DALLE-pytorch after it: ftfy, HTML character references twice, white space to single
 * spaces, lower case (with Σ as ς at the end of words, as Python has it).
 */
export function cleanCaption(text: string): string {
  return unescapeHtml(unescapeHtml(fixText(text)))
    .replace(/\p{White_Space}+/gu, ' ')
    .trim()
    .toLowerCase();
}
