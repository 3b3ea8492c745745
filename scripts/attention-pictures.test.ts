import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { drawPatterns, picturePath } from './attention-pictures.js';

it('the picture of the attention patterns in the docs is the one the masks give', () => {
  expect(readFileSync(picturePath, 'utf8')).toBe(drawPatterns());
});
