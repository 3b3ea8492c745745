import { decodeBytes } from '../byte-alphabet.js';
import { isFields, textField, unsupported } from './fields.js';

type Joiner = (tokens: readonly string[]) => string;

/** `decoder` of a `tokenizer.json`: tokens → text. Where the model marks the ends of words (`endOfWord`), a byte-level decoder writes a space there, as CLIP's. */
export function joinerOf(value: unknown, endOfWord: string): Joiner {
  if (value === null || value === undefined) return (tokens) => tokens.join(' ');
  const part = 'decoder';
  if (!isFields(value)) return unsupported(part, value);
  switch (value.type) {
    case 'ByteLevel':
      return (tokens) => {
        const text = decodeBytes(tokens);
        return endOfWord === '' ? text : text.replaceAll(endOfWord, ' ');
      };
    case 'BPEDecoder': {
      const suffix = textField(value, 'suffix', part, '</w>');
      return (tokens) => tokens.map((token, index) => token.replaceAll(suffix, index === tokens.length - 1 ? '' : ' ')).join('');
    }
    case 'Metaspace': {
      const replacement = textField(value, 'replacement', part, '▁');
      const hasPrefix = value.prepend_scheme !== 'never' && value.add_prefix_space !== false;
      return (tokens) => {
        const text = tokens.join('').replaceAll(replacement, ' ');
        return hasPrefix && text.startsWith(' ') ? text.slice(1) : text;
      };
    }
    default:
      return unsupported(part, value);
  }
}
