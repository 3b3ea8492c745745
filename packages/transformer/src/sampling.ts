import {
  argMax,
  cast,
  cumulativeSum,
  divide,
  exp,
  type Graph,
  type GraphLogits,
  gather,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  logicalAnd,
  maximum,
  multiply,
  negate,
  reduceMax,
  reduceSum,
  reshape,
  type Sampling,
  type Shape,
  sliceAxis,
  subtract,
  type Tensor,
  TesseraeError,
  type TraceScope,
  topValues,
  trace,
  where,
} from '@tesserae/core';

/** How tokens are chosen, as far as it shapes the graph; temperature, top-p and uniforms themselves are inputs. */
export interface SamplingPlan {
  readonly greedy: boolean;
  readonly topK?: number;
  readonly topP: boolean;
  /** Changes of the scores, in order, after guidance and before temperature. */
  readonly changes: readonly GraphLogits[];
}

/** @throws TesseraeError `invalid-argument` naming the setting. */
export function samplingPlan({ temperature, topK, topP }: Sampling, codebookSize: number, changes: readonly GraphLogits[] = []): SamplingPlan {
  const invalid = (name: string, value: number, remedy: string): never => {
    throw new TesseraeError('invalid-argument', `Sampling was asked for with ${name} ${value}.`, { remedy, details: { [name]: value } });
  };
  if (!Number.isFinite(temperature) || temperature < 0) invalid('temperature', temperature, 'Use 0 (always the most likely token) or more.');
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 1)) invalid('topK', topK, 'Use a whole number of at least 1.');
  if (topP !== undefined && !(topP > 0 && topP <= 1)) invalid('topP', topP, 'Use a number above 0 and up to 1.');
  return {
    greedy: temperature === 0,
    ...(topK === undefined || topK >= codebookSize || temperature === 0 ? {} : { topK }),
    topP: topP !== undefined && topP < 1 && temperature !== 0,
    changes,
  };
}

/** The tensors a plan samples with; those it does not need are absent. */
export interface SamplingInputs {
  /** float32 scalar, above 0. */
  readonly temperature?: Tensor;
  /** float32 scalar in (0, 1). */
  readonly topP?: Tensor;
  /** float32 [candidates, columns] in (0, 1). */
  readonly uniforms?: Tensor;
}

/** Declares the inputs `temperature`, `topP` and `uniforms` [candidates, columns], as far as the plan uses them. */
export function samplingInputs(scope: TraceScope, plan: SamplingPlan, uniformsShape: Shape): SamplingInputs {
  if (plan.greedy) return {};
  return {
    temperature: scope.input('temperature', []),
    ...(plan.topP ? { topP: scope.input('topP', []) } : {}),
    uniforms: scope.input('uniforms', uniformsShape),
  };
}

export function changeScores(changes: readonly GraphLogits[], scores: Tensor, position: Tensor): Tensor {
  return changes.reduce((current, change) => change(current, { position }), scores);
}

const lastKept = { axes: [-1], keepDimensions: true } as const;

/** Weights of the smallest set of most likely tokens whose share reaches `topP`, else 0; ties with the last stay. */
function keepNucleus(weights: Tensor, topP: Tensor): Tensor {
  const descending = topValues(weights, weights.shape[weights.shape.length - 1] ?? 1);
  const reached = cumulativeSum(descending);
  const total = reduceMax(reached, lastKept);
  // A token is in the set while those before it have not reached p; the first always is.
  const inside = less(subtract(reached, descending), multiply(total, topP));
  // The smallest weight inside, as the largest of the negated ones; weights are at most 1.
  const threshold = negate(reduceMax(where(inside, negate(descending), -2), lastKept));
  return where(greaterOrEqual(weights, threshold), weights, 0);
}

/**
 * The first token whose running sum of weights reaches uniform·total (inverse CDF). Never a token of weight 0: the
 * total is the largest running sum at a token that can be chosen, whatever way an engine rounds its sums.
 */
function inverseCdf(weights: Tensor, uniform: Tensor): Tensor {
  const possible = greater(weights, 0);
  const reached = where(possible, cumulativeSum(weights), 0);
  const target = multiply(reduceMax(reached, lastKept), reshape(uniform, [uniform.shape[0] ?? 0, 1]));
  return argMax(cast(logicalAnd(possible, greaterOrEqual(reached, target)), 'float32'), -1);
}

/** What stands for a token where none can be drawn. */
const noToken = -1;

/**
 * Whether scores are numbers, of which some may be −∞ (forbidden codes) but not all, from what they are below the largest: [candidates, codes] →
 * bool [candidates]. Then they add up to 0 or less; of a NaN, of ∞ and of nothing but −∞ comes a NaN, whatever an engine takes for the largest.
 */
const areDrawable = (below: Tensor): Tensor => lessOrEqual(reduceSum(below, { axes: [-1] }), 0);

/** @throws TesseraeError `numerical-failure` when no token could be drawn for a candidate (`sampleTokens`). */
export function checkDrawn(tokens: ArrayLike<number>, place: string): void {
  if (!Array.from(tokens).includes(noToken)) return;
  throw new TesseraeError('numerical-failure', `No token can be drawn ${place}: scores are NaN or infinite, or every code is forbidden.`, {
    remedy: 'Check the weights and any plugin that changes scores; in half precision, use float32.',
    details: { place },
  });
}

/**
 * Temperature → top-k → top-p → sample: scores [candidates, codes] → tokens int32 [candidates]; −1 where no token can be drawn: a score is NaN
 * or +∞, or all are −∞. `column` (int32 scalar) picks the uniform numbers.
 */
export function sampleTokens(scores: Tensor, plan: SamplingPlan, inputs: SamplingInputs, column: Tensor): Tensor {
  // The largest becomes 0 before the division, so that a tiny temperature cannot overflow; ratios stay the same.
  const below = subtract(scores, reduceMax(scores, lastKept));
  return where(areDrawable(below), drawTokens(scores, below, plan, inputs, column), noToken);
}

function drawTokens(scores: Tensor, below: Tensor, plan: SamplingPlan, { temperature, topP, uniforms }: SamplingInputs, column: Tensor): Tensor {
  if (temperature === undefined || uniforms === undefined) return argMax(scores, -1);
  const scaled = divide(below, temperature);
  const weights = exp(maximum(scaled, -1e4));
  const threshold = plan.topK === undefined ? undefined : sliceAxis(topValues(scaled, plan.topK), 1, plan.topK - 1, 1);
  const likeliest = threshold === undefined ? weights : where(greaterOrEqual(scaled, threshold), weights, 0);
  const nucleus = topP === undefined ? likeliest : keepNucleus(likeliest, topP);
  return inverseCdf(nucleus, gather(uniforms, column, 1));
}

/**
 * Changes and sampling alone, for decoding token by token. Inputs: `scores` float32 [candidates, codebookSize],
 * `position` int32 scalar, and `samplingInputs` with one column. Result: `tokens` int32 [candidates].
 */
export function sampleGraph(candidates: number, codebookSize: number, plan: SamplingPlan): Graph {
  return trace('sample', (scope) => {
    const scores = scope.input('scores', [candidates, codebookSize]);
    const changed = changeScores(plan.changes, scores, scope.input('position', [], 'int32'));
    scope.output('tokens', sampleTokens(changed, plan, samplingInputs(scope, plan, [candidates, 1]), scope.iota([])));
  });
}

/** Changes alone: `scores` and `position` as in `sampleGraph` → `scores` changed. */
export function changeGraph(candidates: number, codebookSize: number, changes: readonly GraphLogits[]): Graph {
  return trace('change-scores', (scope) => {
    const scores = scope.input('scores', [candidates, codebookSize]);
    scope.output('scores', changeScores(changes, scores, scope.input('position', [], 'int32')));
  });
}
