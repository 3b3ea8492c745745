import type { Tensor, TraceScope } from '../graph/index.js';
import type { ParameterSpec, ParameterTree } from '../modules/index.js';
import { add, cast, concat, divide, maximum, minimum, multiply, reduceSum, reshape, sliceAxis, sqrt, square, subtract, where } from '../ops/index.js';
import { type Shape, sizeOf } from '../tensor/index.js';
import { type AdamWOptions, adamW, type StateSlot } from './adamw.js';
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

/** Up to this many numbers a tensor is worked on together with others. */
const small = 2 ** 14;

/** Tensors end to end, of one as it is. */
const joined = (tensors: readonly Tensor[]): Tensor => concat(tensors.length === 1 ? tensors : tensors.map((tensor) => reshape(tensor, [-1])), 0);

/** What `joined` made, as it was: one tensor a shape. */
function apart(tensor: Tensor, shapes: readonly Shape[]): Tensor[] {
  if (shapes.length === 1) return [tensor];
  let start = 0;
  return shapes.map((shape) => {
    const size = sizeOf(shape);
    const part = reshape(sliceAxis(tensor, 0, start, size), shape);
    start += size;
    return part;
  });
}

/** Euclidean norm over all gradients. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  const isSmall = ({ shape }: Tensor): boolean => sizeOf(shape) <= small;
  const together = gradients.filter(isSmall);
  const [first, ...rest] = [...(together.length === 0 ? [] : [joined(together)]), ...gradients.filter((gradient) => !isSmall(gradient))].map((gradient) =>
    reduceSum(square(gradient)),
  );
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
  /** bool scalar: where it is false everything stays what it was. */
  readonly sound: Tensor;
  /** What the objective makes of a parameter after the optimiser (`LossResult.placed`). */
  readonly placed: Readonly<Record<string, (byOptimizer: Tensor) => Tensor>>;
}

/**
 * Parameters whose updates are the same operations, to be made in one go: small ones without a rule of their own, those that decay and those that do
 * not. Most of a transformer's tensors are gains and biases of a few hundred numbers, for each of which an engine would start two dozen operators.
 */
function updatedTogether(tree: ParameterTree, { gradientOf, placed }: Update, options: OptimizerOptions): (readonly ParameterSpec[])[] {
  const specs = Array.from(tree.specs.values()).filter(({ name }) => gradientOf.has(name));
  const isSmall = (spec: ParameterSpec): boolean => sizeOf(spec.shape) <= small && placed[spec.name] === undefined && !updatedByMuon(spec, options);
  const together = [true, false].map((decay) => specs.filter((spec) => isSmall(spec) && spec.decay === decay));
  const alone = specs.filter((spec) => !isSmall(spec)).map((spec) => [spec]);
  return [...together.filter(({ length }) => length > 0), ...alone];
}

/** Appends one update of every parameter of the tree to the trace. */
export function updateParameters(scope: TraceScope, tree: ParameterTree, update: Update, options: OptimizerOptions): void {
  const { gradientOf, norm, step, learningRate, placed, sound } = update;
  const { weightDecay = 0, clipNorm, ema } = options;
  const clip = clipNorm === undefined ? undefined : minimum(divide(clipNorm, maximum(norm, 1e-12)), 1);
  const decay = ema === undefined ? undefined : averageDecay(ema, step);
  const adamWChange = adamW(step, learningRate, options);

  for (const specs of updatedTogether(tree, update, options)) {
    const shapes = specs.map(({ shape }) => shape);
    const slot = (stateName: (parameter: string) => string): StateSlot => {
      const before = joined(specs.map(({ name, shape }) => scope.state(stateName(name), shape)));
      return {
        before,
        assign: (after) => apart(where(sound, after, before), shapes).forEach((value, index) => void scope.assign(stateName(specs[index]?.name ?? ''), value)),
      };
    };
    const [first] = specs;
    const raw = specs.flatMap(({ name }) => gradientOf.get(name) ?? []);
    if (first === undefined) continue;
    const gradient = clip === undefined ? joined(raw) : multiply(joined(raw), clip);
    const parameter = slot((name) => name);
    const mean = slot(stateNames.mean);
    const change =
      options.muon !== undefined && updatedByMuon(first, options) ? muon(gradient, mean, learningRate, options.muon) : adamWChange(gradient, mean, slot(stateNames.variance));
    const shrunk = first.decay && weightDecay > 0 ? multiply(parameter.before, subtract(1, multiply(learningRate, weightDecay))) : parameter.before;
    const updated = (placed[first.name] ?? ((value: Tensor): Tensor => value))(subtract(shrunk, change));
    parameter.assign(updated);
    if (decay !== undefined) {
      const average = slot(stateNames.average);
      average.assign(add(multiply(average.before, decay), multiply(updated, subtract(1, decay))));
    }
  }
}
