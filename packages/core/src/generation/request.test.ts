import { describe, expect, it } from 'vitest';
import { resolveRequest } from './request.js';

const drawn = (): number => 77;

describe('a request', () => {
  it('needs a prompt only: everything else has a default, the seed is drawn', () => {
    expect(resolveRequest({ prompt: 'a red ball' }, drawn)).toEqual({
      prompt: 'a red ball',
      candidates: 1,
      seed: 77,
      guidance: 1,
      temperature: 1,
      truncate: false,
      firstCandidate: 0,
    });
  });

  it('keeps what it says, the edges of every range included', () => {
    const request = {
      prompt: 'x',
      candidates: 64,
      seed: 0,
      guidance: -2,
      temperature: 0,
      topK: 1,
      topP: 1,
      truncate: true,
      firstCandidate: 8,
      pluginOptions: { rerank: { keep: 1 } },
    };
    expect(resolveRequest(request, drawn)).toEqual(request);
    expect(resolveRequest({ prompt: 'x', seed: Number.MAX_SAFE_INTEGER, topP: 1e-9 }, drawn)).toMatchObject({ seed: Number.MAX_SAFE_INTEGER, topP: 1e-9 });
  });

  it('without a prompt is refused', () => {
    for (const prompt of ['', ' \n\t', undefined as unknown as string]) {
      expect(() => resolveRequest({ prompt }, drawn)).toThrow(expect.objectContaining({ code: 'prompt-invalid', remedy: expect.stringContaining('what the picture should show') }));
    }
  });

  const impossible = {
    candidates: [0, -1, 1.5, Number.NaN],
    seed: [-1, 0.5, 2 ** 53, Number.NaN],
    guidance: [Number.NaN, Number.POSITIVE_INFINITY],
    temperature: [-0.1, Number.NaN, Number.POSITIVE_INFINITY],
    topK: [0, 1.5, -3, Number.NaN],
    topP: [0, 1.01, -1, Number.NaN],
    firstCandidate: [-1, 0.5],
  };
  for (const [field, values] of Object.entries(impossible)) {
    it(`names ${field} when it is not possible`, () => {
      for (const value of values) {
        expect(() => resolveRequest({ prompt: 'x', [field]: value }, drawn), String(value)).toThrow(
          expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(new RegExp(`^${field}: ${value} is not possible`)), details: { field, value } }),
        );
      }
    });
  }
});
