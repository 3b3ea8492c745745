import {
  add,
  cast,
  divide,
  expandDimensions,
  floor,
  gather,
  type LossContext,
  type LossResult,
  less,
  lessOrEqual,
  minimum,
  multiply,
  type ParameterScope,
  type RunningValue,
  reduceMean,
  reduceSum,
  reshape,
  type Shape,
  scatterAdd,
  square,
  stateNames,
  stopGradient,
  subtract,
  type Tensor,
  where,
} from '@tesserae/core';
import { countCodes } from './batch-usage.js';
import type { QuantizerConfiguration } from './quantizer.js';

/** How codebook vectors and latents are drawn to each other. */
export interface QuantizerLossOptions {
  /** Moves codebook vectors to the latents by their gradient. Default 1 (van den Oord et al. 2017, eq. 3); taming-transformers' VQModel has 0.25. */
  readonly codebookWeight?: number;
  /** β: moves latents to their codebook vectors. Default 0.25; taming-transformers' VQModel, which exchanged the two, has 1. */
  readonly commitmentWeight?: number;
  /**
   * What moves codebook vectors: the `gradient` of the loss (default), or the running mean of the latents that are nearest to each
   * (`average`; van den Oord et al. 2017, Appendix A.1), which needs no step size. `codebookWeight` then says nothing.
   */
  readonly codebookUpdate?: 'gradient' | 'average';
  /** γ of the running mean. Default 0.99, the paper's. */
  readonly averageDecay?: number;
  /**
   * A code that was nearest to nothing in so many updates is put where a latent of the batch is. Default: never. Codes that are far
   * from all latents get no gradient and no mean, and stay dead (Dhariwal et al. 2020, §3.1, "random restarts").
   */
  readonly revivedAfter?: number;
}

/** ε of Laplace's smoothing: the mean of a code that hardly anything is nearest to is taken over a little more than nothing. */
const smoothing = 1e-5;

/**
 * The nearest codebook vectors in training: `quantized` has their values and hands its gradient straight through to `vectors`. `loss` draws
 * both together, each term the mean over all numbers.
 */
export function quantizeStraightThrough(vectors: Tensor, nearest: Tensor, options: QuantizerLossOptions = {}): { readonly quantized: Tensor; readonly loss: Tensor } {
  const { codebookWeight = 1, commitmentWeight = 0.25, codebookUpdate = 'gradient' } = options;
  const apart = (a: Tensor, b: Tensor): Tensor => reduceMean(square(subtract(a, b)));
  const commitment = multiply(apart(stopGradient(nearest), vectors), commitmentWeight);
  return {
    quantized: add(vectors, stopGradient(subtract(nearest, vectors))),
    loss: codebookUpdate === 'average' ? commitment : add(multiply(apart(nearest, stopGradient(vectors)), codebookWeight), commitment),
  };
}

/** How dead codes come back. */
interface Revival {
  /** Replaces what belongs to dead codes: rows of them, or one number each. */
  readonly put: (rows: Tensor, instead: Tensor | number) => Tensor;
  /** A latent of the batch for each code. */
  readonly candidates: Tensor | number;
  readonly running: CodebookKeeping['running'];
  readonly metrics: CodebookKeeping['metrics'];
}

export interface CodebookKeeping {
  /** For `LossResult.placed`. */
  readonly placed: NonNullable<LossResult['placed']>;
  /** For `LossResult.running`. */
  readonly running: Readonly<Record<string, RunningValue>>;
  /** `revived`: codes that were put anew in this update, where they may be. */
  readonly metrics: Readonly<Record<string, Tensor>>;
}

/**
 * What moves the codebook beside its gradient, as the options say; nothing where they say nothing. State of the training, below `codebook`:
 * with `average` the running `sizes` [codebook] and `sums` [codebook, codeWidth], with `revivedAfter` the updates each code was `unused`, and
 * then an input `revival` [codebook], uniform in (0, 1), that chooses among the batch's latents.
 * @param place where the codebook's `weight` lies below, at `codebook`
 * @param vectors the latents that were compared, `[batch, rows, columns, codeWidth]`
 * @param codes int32 `[batch, rows, columns]`, the nearest
 */
export function keepCodebook(
  { scope }: LossContext,
  place: ParameterScope,
  { codebookSize, codeWidth }: QuantizerConfiguration,
  { vectors, codes }: { readonly vectors: Tensor; readonly codes: Tensor },
  options: QuantizerLossOptions,
): CodebookKeeping {
  const { codebookUpdate = 'gradient', averageDecay = 0.99, revivedAfter } = options;
  if (codebookUpdate === 'gradient' && revivedAfter === undefined) return { placed: {}, running: {}, metrics: {} };
  const path = place.child('codebook.weight').path;
  const count = codes.shape.reduce((product, size) => product * size, 1);
  const flat = stopGradient(reshape(vectors, [count, codeWidth]));
  const flatCodes = reshape(codes, [count]);
  const found = countCodes(codes, codebookSize);

  const before = (name: string, shape: Shape): Tensor => scope.state(stateNames.running(name), shape);

  const revive = (): Revival => {
    if (revivedAfter === undefined) return { put: (rows) => rows, candidates: 0, running: {}, metrics: {} };
    const now = where(less(0, found), 0, add(before('codebook.unused', [codebookSize]), 1));
    const dead = lessOrEqual(revivedAfter, now);
    const chosen = cast(minimum(floor(multiply(scope.input('revival', [codebookSize]), count)), count - 1), 'int32');
    return {
      put: (rows, instead) => where(rows.shape.length === 1 ? dead : expandDimensions(dead, 1), instead, rows),
      candidates: gather(flat, chosen),
      running: { 'codebook.unused': { initial: 0, after: where(dead, 0, now) } },
      metrics: { revived: reduceSum(cast(dead, 'float32')) },
    };
  };
  const { put, candidates, running, metrics } = revive();
  if (codebookUpdate === 'gradient') return { placed: { [path]: (byOptimizer) => put(byOptimizer, candidates) }, running, metrics };

  const toward = (old: Tensor, now: Tensor): Tensor => add(multiply(old, averageDecay), multiply(now, 1 - averageDecay));
  const sizes = toward(before('codebook.sizes', [codebookSize]), found);
  const sums = toward(before('codebook.sums', [codebookSize, codeWidth]), scatterAdd(flatCodes, flat, codebookSize));
  const total = reduceSum(sizes);
  const smoothed = multiply(divide(add(sizes, smoothing), add(total, codebookSize * smoothing)), total);
  const mean = divide(sums, expandDimensions(smoothed, 1));
  return {
    placed: { [path]: () => put(mean, candidates) },
    running: {
      ...running,
      // Both begin as if each code had stood for one latent an update, the one it is.
      'codebook.sizes': { initial: 1, after: put(sizes, 1) },
      'codebook.sums': { initial: { parameter: path }, after: put(sums, candidates) },
    },
    metrics,
  };
}
