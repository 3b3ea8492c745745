import { describe, expect, it } from 'vitest';
import { checkPlan, emptyKnown, type SequencePlan } from './plan.js';

const grid = { rows: 2, columns: 3 };
const plan: SequencePlan = { grid, known: [emptyKnown(grid)], branches: [{ text: Int32Array.of(1), weight: 1 }], sampling: { temperature: 1 } };
const check = (change: Partial<SequencePlan>, candidates = 2): SequencePlan => checkPlan({ ...plan, ...change }, grid, candidates, 8);

describe('a plan', () => {
  it('that knows nothing marks every token as unknown', () => {
    expect([...emptyKnown(grid)]).toEqual([-1, -1, -1, -1, -1, -1]);
    expect(check({})).toEqual(plan);
  });

  it('may know one list for all candidates, or one for each', () => {
    const known = Int32Array.of(7, 0, -1, -1, -1, -1);
    expect(check({ known: [known] }).known).toEqual([known]);
    expect(check({ known: [known, emptyKnown(grid)] }).known).toHaveLength(2);
  });

  it('may mix branches by weights that sum to 1, negative ones too', () => {
    const branches = [3, -2].map((weight) => ({ text: new Int32Array(0), weight }));
    expect(check({ branches }).branches).toEqual(branches);
  });

  const refused: readonly (readonly [string, Partial<SequencePlan>, RegExp])[] = [
    ['a canvas of another size', { grid: { rows: 4, columns: 3 } }, /canvas of 4×3 tokens; the prior makes 2×3/],
    ['known tokens for some of the candidates', { known: [emptyKnown(grid), emptyKnown(grid), emptyKnown(grid)] }, /known tokens for 3 of 2 candidates/],
    ['no known tokens at all', { known: [] }, /known tokens for 0 of 2 candidates/],
    ['a list of another length', { known: [new Int32Array(5)] }, /5 known tokens for a grid of 2×3/],
    ['a token beyond the codebook', { known: [emptyKnown(grid).fill(8, 2, 3)] }, /knows the token 8, which is not in the codebook of 8/],
    ['a token below −1', { known: [emptyKnown(grid).fill(-2, 2, 3)] }, /knows the token -2/],
    ['no branch', { branches: [] }, /weights that sum to 0/],
    ['weights that do not sum to 1', { branches: [{ text: new Int32Array(0), weight: 0.5 }] }, /weights that sum to 0\.5/],
    ['weights that are no numbers', { branches: [{ text: new Int32Array(0), weight: Number.NaN }] }, /weights that sum to NaN/],
    ['a negative temperature', { sampling: { temperature: -1 } }, /temperature -1/],
    ['a top-k of nothing', { sampling: { temperature: 1, topK: 0 } }, /topK 0/],
    ['a top-p above 1', { sampling: { temperature: 1, topP: 1.5 } }, /topP 1\.5/],
  ];
  for (const [what, change, message] of refused) {
    it(`with ${what} is refused`, () => {
      expect(() => check(change)).toThrow(expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }));
    });
  }
});
