/**
 * GPT-2's way of writing any byte as one visible character (Radford et al. 2019, `bytes_to_unicode`), which Hugging
 * Face's `ByteLevel` uses: printable Latin-1 stands for itself, every other byte for 256, 257, … in order.
 */
function isVisible(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/** The character of each byte, index 0 … 255. */
export const byteCharacters: readonly string[] = (() => {
  let hidden = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    if (isVisible(byte)) return String.fromCharCode(byte);
    hidden += 1;
    return String.fromCharCode(255 + hidden);
  });
})();

const bytesByCharacter: ReadonlyMap<string, number> = new Map(byteCharacters.map((character, byte) => [character, byte] as const));

/** The bytes a token stands for, or undefined when it has a character outside the alphabet. */
export function tokenBytes(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let index = 0; index < token.length; index += 1) {
    const byte = bytesByCharacter.get(token.charAt(index));
    if (byte === undefined) return undefined;
    bytes[index] = byte;
  }
  return bytes;
}

const encoder = new TextEncoder();

/** A word in the alphabet, one character a UTF-8 byte. A lone surrogate, which is no text, becomes U+FFFD. */
export function wordCharacters(word: string): string[] {
  return Array.from(encoder.encode(word), (byte) => byteCharacters[byte] ?? '');
}

/** The text whose bytes tokens stand for. Bytes that are no UTF-8 become U+FFFD; a token outside the alphabet stands for itself. */
export function decodeBytes(tokens: readonly string[]): string {
  const parts = tokens.map((token) => tokenBytes(token) ?? encoder.encode(token));
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(joined);
}
