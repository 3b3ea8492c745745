import { expect, it } from 'vitest';
import { ascii } from './__fixtures__/writers.js';
import { crc32 } from './crc32.js';

it('is the checksum of ZIP: the check value of the CRC catalogue, in one piece or in several, at any alignment', () => {
  expect(crc32(ascii('123456789'), 0)).toBe(0xcbf43926);
  const long = Uint8Array.from({ length: 1003 }, (_, index) => (index * 7) & 0xff);
  const whole = crc32(long, 0);
  for (const cut of [0, 1, 7, 8, 500, 1003]) expect(crc32(long.subarray(cut), crc32(long.subarray(0, cut), 0))).toBe(whole);
});
