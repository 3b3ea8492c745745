import type { Tensor, TraceScope } from '../graph/index.js';
import type { ParameterSpec, ParameterTree } from '../modules/index.js';
import { add, cast, divide, maximum, minimum, multiply, reduceSum, sqrt, square, subtract } from '../ops/index.js';
import { type AdamWOptions, adamW } from './adamw.js';
import { type MuonOptions, muon } from './muon.js';
import type { PlateauSchedule } from './plateau.js';
import type { Schedule } from './schedules.js';

/** How parameters follow their gradients: AdamW, and Muon where it is asked for. */
export interface OptimizerOptions extends AdamWOptions {
  /** The step size of every parameter, AdamW's and Muon's alike. */
  readonly learningRate: Schedule | PlateauSchedule;
  /** Default 0. Decoupled from the gradient and scaled by the learning rate; applies to parameters whose spec says `decay`. */
  readonly weightDecay?: number;
  /** Gradients are scaled down to this global norm. Default: no clipping. */
  readonly clipNorm?: number;
  /** Keeps an exponential moving average of the parameters. Default: none. */
  readonly ema?: number;
  /** Which matrices are updated by Muon. Default: none, all by AdamW. */
  readonly muon?: MuonOptions;
  /** Batches that one update is the mean of: as much memory as one of them needs. Default 1. */
  readonly accumulate?: number;
}

/** Where the optimiser keeps what belongs to a parameter. */
export const stateNames = {
  step: 'optimizer.step',
  mean: (parameter: string): string => `optimizer.mean.${parameter}`,
  variance: (parameter: string): string => `optimizer.variance.${parameter}`,
  average: (parameter: string): string => `ema.${parameter}`,
  /** What the objective itself keeps (`LossContext.running`). */
  running: (name: string): string => `running.${name}`,
  /** What a learning rate that follows the loss keeps (`PlateauSchedule`). */
  plateau: (name: string): string => `plateau.${name}`,
} as const;

/** Whether Muon updates a parameter: a matrix under the place the options name. */
export function updatedByMuon({ name, shape }: Pick<ParameterSpec, 'name' | 'shape'>, { muon: options }: Pick<OptimizerOptions, 'muon'>): boolean {
  return options !== undefined && shape.length === 2 && name.startsWith(`${options.under}.`);
}

/**
 * The average's decay at a step: 0.1 at the first, rising to the wanted one, so that a short training is not dominated by
 * its initial values (the rule of TensorFlow's ExponentialMovingAverage `num_updates`).
 */
export function averageDecay(decay: number, step: Tensor): Tensor {
  const at = cast(step, 'float32');
  return minimum(divide(add(at, 1), add(at, 10)), decay);
}

/** Euclidean norm over all gradients. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  const [first, ...rest] = gradients.map((gradient) => reduceSum(square(gradient)));
  if (first === undefined) throw new RangeError('globalNorm of no gradients');
  return sqrt(rest.reduce((sum, term) => add(sum, term), first));
}

/** What one update is made of. */
export interface Update {
  /** By parameter path. */
  readonly gradientOf: ReadonlyMap<string, Tensor>;
  /** `globalNorm` of them. */
  readonly norm: Tensor;
  /** int32 scalar. */
  readonly step: Tensor;
  /** float32 scalar. */
  readonly learningRate: Tensor;
  /** What the objective makes of a parameter after the optimiser (`LossResult.placed`). */
  readonly placed: Readonly<Record<string, (byOptimizer: Tensor) => Tensor>>;
}

/** Appends one update of every parameter of the tree to the trace. */
export function updateParameters(scope: TraceScope, tree: ParameterTree, { gradientOf, norm, step, learningRate, placed }: Update, options: OptimizerOptions): void {
  const { weightDecay = 0, clipNorm, ema } = options;
  const clip = clipNorm === undefined ? undefined : minimum(divide(clipNorm, maximum(norm, 1e-12)), 1);
  const decay = ema === undefined ? undefined : averageDecay(ema, step);
  const adamWChange = adamW(step, learningRate, options);

  for (const [name, parameter] of tree.tensors) {
    const raw = gradientOf.get(name);
    const spec = tree.specs.get(name);
    if (raw === undefined || spec === undefined) continue;
    const gradient = clip === undefined ? raw : multiply(raw, clip);
    const moment = (stateName: string) => ({
      before: scope.state(stateName, parameter.shape),
      assign: (after: Tensor) => scope.assign(stateName, after),
    });
    const mean = moment(stateNames.mean(name));
    const change =
      options.muon !== undefined && updatedByMuon(spec, options)
        ? muon(gradient, mean, learningRate, options.muon)
        : adamWChange(gradient, mean, moment(stateNames.variance(name)));
    const shrunk = spec.decay && weightDecay > 0 ? multiply(parameter, subtract(1, multiply(learningRate, weightDecay))) : parameter;
    const updated = (placed[name] ?? ((value: Tensor): Tensor => value))(subtract(shrunk, change));
    scope.assign(name, updated);
    if (decay !== undefined) {
      const average = scope.state(stateNames.average(name), parameter.shape);
      scope.assign(stateNames.average(name), add(multiply(average, decay), multiply(updated, subtract(1, decay))));
    }
  }
}
