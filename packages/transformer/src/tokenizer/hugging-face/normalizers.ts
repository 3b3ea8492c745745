import { lowerCased } from '../words.js';
import { type Fields, stepsOf, textField, truthField, unsupported } from './fields.js';
import { patternOf } from './pattern.js';

type Normalizer = (text: string) => string;

const form = (name: 'NFC' | 'NFD' | 'NFKC' | 'NFKD') => (): Normalizer => (text) => text.normalize(name);

const isTrue = truthField;

/** CJK ideographs, as BERT's own code counts them: no kana, no hangul. */
const ideographs = /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

function bertNormalizer(fields: Fields): Normalizer {
  const part = 'normalizer';
  const [cleans, parts, lowers] = [isTrue(fields, 'clean_text', part, true), isTrue(fields, 'handle_chinese_chars', part, true), isTrue(fields, 'lowercase', part, true)];
  const strips = isTrue(fields, 'strip_accents', part, lowers);
  return (text) => {
    let result = text;
    if (cleans) result = result.replace(/[\0\ufffd]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]/gu, '').replace(/\p{White_Space}/gu, ' ');
    if (parts) result = result.replace(ideographs, (ideograph) => ` ${ideograph} `);
    if (strips) result = result.normalize('NFD').replace(/\p{Mn}/gu, '');
    return lowers ? lowerCased(result) : result;
  };
}

const normalizers: Readonly<Record<string, (fields: Fields) => Normalizer>> = {
  NFC: form('NFC'),
  NFD: form('NFD'),
  NFKC: form('NFKC'),
  NFKD: form('NFKD'),
  Lowercase: () => lowerCased,
  StripAccents: () => (text) => text.replace(/\p{M}/gu, ''),
  Strip(fields) {
    const [left, right] = [isTrue(fields, 'strip_left', 'normalizer', true), isTrue(fields, 'strip_right', 'normalizer', true)];
    return (text) => {
      const begun = left ? text.replace(/^\p{White_Space}+/u, '') : text;
      if (!right) return begun;
      let end = begun.length;
      // Not a pattern ending in `$`: that would try every run of spaces to its end.
      while (end > 0 && /\p{White_Space}/u.test(begun.charAt(end - 1))) end -= 1;
      return begun.slice(0, end);
    };
  },
  Replace(fields) {
    const [pattern, content] = [patternOf(fields.pattern, 'normalizer.pattern'), textField(fields, 'content', 'normalizer')];
    return (text) => text.replace(pattern, () => content);
  },
  Prepend(fields) {
    const prefix = textField(fields, 'prepend', 'normalizer');
    return (text) => (text === '' ? '' : prefix + text);
  },
  BertNormalizer: bertNormalizer,
};

/** `normalizer` of a `tokenizer.json`. */
export function normalizerOf(value: unknown): Normalizer {
  const steps = stepsOf(value, 'normalizer', 'normalizers').map((fields) => {
    const make = Object.hasOwn(normalizers, String(fields.type)) ? normalizers[String(fields.type)] : undefined;
    return make === undefined ? unsupported('normalizer', fields) : make(fields);
  });
  return (text) => steps.reduce((current, step) => step(current), text);
}
