import { TesseraeError } from '../errors/index.js';
import type { Grid, GuidanceBranch, Sampling } from '../models/index.js';

/** What will be decoded: data that plugins may change before anything runs. */
export interface SequencePlan {
  /** The canvas in tokens; the prior's own grid. */
  readonly grid: Grid;
  /** Known tokens, row-major over the grid, −1 where one is to be made. One list for all candidates, or one for each. */
  readonly known: readonly Int32Array[];
  /** The questions the prior is asked, mixed by weight before the temperature. Weights sum to 1. */
  readonly branches: readonly GuidanceBranch[];
  readonly sampling: Sampling;
}

/** A plan that knows nothing of the picture yet. */
export function emptyKnown(grid: Grid): Int32Array {
  return new Int32Array(grid.rows * grid.columns).fill(-1);
}

/** Checks a plan, also after plugins changed it. @throws TesseraeError `invalid-argument`. */
export function checkPlan(plan: SequencePlan, priorGrid: Grid, candidates: number, codebookSize: number): SequencePlan {
  const fail = (problem: string, remedy: string): never => {
    throw new TesseraeError('invalid-argument', `The plan ${problem}.`, { remedy });
  };
  if (plan.grid.rows !== priorGrid.rows || plan.grid.columns !== priorGrid.columns) {
    fail(`wants a canvas of ${plan.grid.rows}×${plan.grid.columns} tokens; the prior makes ${priorGrid.rows}×${priorGrid.columns}`, 'Use the tiling plugin for other sizes.');
  }
  if (plan.known.length !== 1 && plan.known.length !== candidates)
    fail(`has known tokens for ${plan.known.length} of ${candidates} candidates`, 'Give one list, or one for each candidate.');
  for (const known of plan.known) {
    if (known.length !== priorGrid.rows * priorGrid.columns)
      fail(`has ${known.length} known tokens for a grid of ${priorGrid.rows}×${priorGrid.columns}`, 'Give one entry a token, −1 for unknown.');
    const wrong = known.find((token) => token < -1 || token >= codebookSize);
    if (wrong !== undefined) fail(`knows the token ${wrong}, which is not in the codebook of ${codebookSize}`, 'Encode with the tokenizer the prior was trained with.');
  }
  const total = plan.branches.reduce((sum, { weight }) => sum + weight, 0);
  if (plan.branches.length === 0 || !(Math.abs(total - 1) <= 1e-6)) fail(`mixes branches with weights that sum to ${total}`, 'Let them sum to 1.');
  const { temperature, topK, topP } = plan.sampling;
  if (!Number.isFinite(temperature) || temperature < 0) fail(`samples with temperature ${temperature}`, 'Use a number from 0 (greedy).');
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 1)) fail(`samples with topK ${topK}`, 'Use a whole number of at least 1, or leave it out.');
  if (topP !== undefined && !(topP > 0 && topP <= 1)) fail(`samples with topP ${topP}`, 'Use a number above 0 and up to 1, or leave it out.');
  return plan;
}
