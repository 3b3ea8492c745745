import { type Backend, type DecodeRequest, type GuidanceBranch, type HostArray, type ImagePrior, weightsFromArrays } from '@tesserae/core';
import type { PriorConfiguration } from '../configuration.js';
import { createTransformerPrior } from '../prior.js';

/** Tokens of one text's candidates, each knowing its first tokens. */
export async function greedyTokens(
  prior: ImagePrior,
  { grid }: Pick<PriorConfiguration, 'grid'>,
  branches: readonly GuidanceBranch[],
  beginnings: readonly ArrayLike<number>[],
  change: Partial<DecodeRequest> = {},
): Promise<number[][]> {
  const tokens: number[][] = beginnings.map(() => []);
  const rows = prior.decode({
    branches,
    known: beginnings.map((beginning) => Int32Array.from({ length: grid.rows * grid.columns }, (_, position) => beginning[position] ?? -1)),
    candidates: beginnings.map((_, candidate) => candidate),
    sampling: { temperature: 0 },
    uniform: () => 0.5,
    ...change,
  });
  for await (const row of rows) row.tokens.forEach((made, candidate) => tokens[candidate]?.push(...made));
  return tokens;
}

/** The same by a prior of these weights. */
export async function decodeGreedily(
  backend: Backend,
  configuration: PriorConfiguration,
  weights: ReadonlyMap<string, HostArray>,
  branches: readonly GuidanceBranch[],
  beginnings: readonly ArrayLike<number>[],
  change: Partial<DecodeRequest> = {},
): Promise<number[][]> {
  const prior = createTransformerPrior({ config: configuration, weights: weightsFromArrays(weights), backend });
  try {
    return await greedyTokens(prior, configuration, branches, beginnings, change);
  } finally {
    prior.dispose();
  }
}
