import { type Checkpoints, gradients, type Recompute } from '../autodiff/index.js';
import { TesseraeError } from '../errors/index.js';
import { type Graph, type Tensor, type TraceScope, trace } from '../graph/index.js';
import { createParameterTree, initialiseParameters, type ParameterScope, type ParameterSpec, type ParameterTree } from '../modules/index.js';
import { add, logicalAnd, where } from '../ops/index.js';
import type { Key } from '../random/index.js';
import { float32Array, type HostArray, int32Array, type Shape, sizeOf, zerosArray } from '../tensor/index.js';
import { addToSums, checkAccumulate, keepSums, meansOf, type Values } from './accumulation.js';
import { isFiniteScalar } from './finiteness.js';
import { globalNorm, type OptimizerOptions, stateNames, updatedByMuon, updateParameters } from './optimizer.js';
import { initialPlateau, type PlateauSchedule, plateauRate } from './plateau.js';
import { type Schedule, scheduleTensor } from './schedules.js';

export interface LossContext {
  readonly scope: TraceScope;
  readonly parameters: ParameterScope;
  /** int32 scalar: 0 at the first update. */
  readonly step: Tensor;
}

/** Something the objective itself keeps from update to update, beside the parameters: running counts and sums. */
export interface RunningValue {
  /** How it begins: all alike, or as the parameter of this path. */
  readonly initial: number | { readonly parameter: string };
  /** float32: what it is after this update. */
  readonly after: Tensor;
}

export interface RunningSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: RunningValue['initial'];
}

export interface LossResult {
  /** float32 scalar. */
  readonly loss: Tensor;
  /** Scalars worth showing, by name. */
  readonly metrics?: Readonly<Record<string, Tensor>>;
  /**
   * Parameters, by path, that the objective has a say in beside their gradient: given what the optimiser made of one, its new
   * value. A codebook that is a running mean of latents ignores the optimiser.
   */
  readonly placed?: Readonly<Record<string, (byOptimizer: Tensor) => Tensor>>;
  /**
   * Part of the training state, so checkpoints have it. What a value was before it reads with
   * `scope.state(stateNames.running(name), shape)`.
   */
  readonly running?: Readonly<Record<string, RunningValue>>;
  /** Values between layers, for the backward pass to go layer by layer, and what it computes again of what lies between them. Default: nothing. */
  readonly checkpoints?: Checkpoints;
  readonly recompute?: Recompute;
}

/** A loss written with core operations: declares its inputs on `scope` and its weights on `parameters`. */
export type LossFunction = (context: LossContext) => LossResult;

/** A batch that is only added up for the update that a later one makes. */
export interface AccumulationStep {
  /** Results: `loss` of this batch, `gradientNorm` of the sum so far; updates: the sums. */
  readonly graph: Graph;
  /** As the training step's. */
  readonly gradientNames: ReadonlyMap<number, string>;
}

/** One update of a model as one graph, and what it needs to begin. */
export interface TrainingStep {
  /** Results: `loss`, `learningRate`, `gradientNorm` and the metrics; updates: parameters, moments, average, step. */
  readonly graph: Graph;
  /** Where an update is the mean of several batches: what all but the last of them run. The results of `graph` are then means over all. */
  readonly accumulation?: AccumulationStep;
  readonly specs: ReadonlyMap<string, ParameterSpec>;
  /** What the objective keeps beside them. */
  readonly running: readonly RunningSpec[];
  /** Nodes of the graph that hold a parameter's gradient, and what to call them. */
  readonly gradientNames: ReadonlyMap<number, string>;
  readonly options: OptimizerOptions;
}

/** Loss and gradients of one batch, traced. */
interface Backward extends LossResult {
  readonly tree: ParameterTree;
  readonly step: Tensor;
  readonly gradientOf: ReadonlyMap<string, Tensor>;
  readonly gradientNames: ReadonlyMap<number, string>;
}

function traceBackward(scope: TraceScope, lossFunction: LossFunction): Backward {
  const tree = createParameterTree(scope, 'state');
  const step = scope.state(stateNames.step, [], 'int32');
  const result = lossFunction({ scope, parameters: tree.root, step });
  const names = [...tree.tensors.keys()];
  const computed = gradients(result.loss, [...tree.tensors.values()], { checkpoints: result.checkpoints ?? [], recompute: result.recompute ?? 'none' });
  const gradientOf = new Map(computed.map((gradient, index) => [names[index] ?? '', gradient] as const));
  return { ...result, tree, step, gradientOf, gradientNames: new Map(Array.from(gradientOf, ([parameter, { node }]) => [node, `gradient of ${parameter}`])) };
}

/** What an update takes the mean of: `loss`, the metrics, and the gradients. */
function averaged({ loss, metrics = {}, gradientOf }: Backward): Values {
  const prefixed = (prefix: string, values: Iterable<readonly [string, Tensor]>) => Array.from(values, ([name, value]) => [`${prefix}.${name}`, value] as const);
  return new Map([['loss', loss], ...prefixed('metric', Object.entries(metrics)), ...prefixed('gradient', gradientOf)]);
}

/** Those of the averaged values that have this prefix, by their own names. */
function under(prefix: string, values: Values): Map<string, Tensor> {
  return new Map(Array.from(values).flatMap(([name, value]) => (name.startsWith(`${prefix}.`) ? [[name.slice(prefix.length + 1), value] as const] : [])));
}

/** Assigns only where `sound` holds; else every state stays what it was. */
const guardedBy = (scope: TraceScope, sound: Tensor): TraceScope => ({
  ...scope,
  assign: (stateName, value) => scope.assign(stateName, where(sound, value, scope.state(stateName, value.shape, value.dtype))),
});

function createAccumulationStep(name: string, lossFunction: LossFunction): AccumulationStep {
  let gradientNames: ReadonlyMap<number, string> = new Map();
  const graph = trace(`${name}, all but the last batch`, (scope) => {
    const backward = traceBackward(scope, lossFunction);
    const { loss, placed = {}, running = {} } = backward;
    if (Object.keys(placed).length + Object.keys(running).length > 0) {
      throw new TesseraeError('invalid-argument', `The objective of '${name}' keeps values of its own, which several batches of one update would change several times.`, {
        remedy: 'Train it without accumulate, with a larger batch.',
      });
    }
    const sums = addToSums(scope, averaged(backward));
    const norm = globalNorm([...under('gradient', sums).values()]);
    keepSums(guardedBy(scope, logicalAnd(isFiniteScalar(loss), isFiniteScalar(norm))), sums);
    scope.output('loss', loss);
    scope.output('gradientNorm', norm);
    gradientNames = backward.gradientNames;
  });
  return { graph, gradientNames };
}

/** The learning rate of an update, and what a rate that follows the loss remembers of it. */
function rateOf(learningRate: Schedule | PlateauSchedule, step: Tensor, scope: TraceScope): ReturnType<typeof plateauRate> {
  return learningRate.kind === 'warmup-plateau' ? plateauRate(learningRate, step, scope) : { rate: scheduleTensor(learningRate, step), remember: () => undefined };
}

/**
 * Traces loss, gradients and the optimiser into one graph. An update whose loss or gradient is not finite changes nothing: the
 * state stays the one that made it, and can be asked where it began (`firstNonFinite`).
 * @throws TesseraeError `invalid-argument` for an objective that keeps state (`running`, `placed`) where batches are accumulated
 */
export function createTrainingStep(name: string, lossFunction: LossFunction, options: OptimizerOptions): TrainingStep {
  const accumulate = checkAccumulate(options.accumulate ?? 1);
  let specs: ReadonlyMap<string, ParameterSpec> = new Map();
  let gradientNames: ReadonlyMap<number, string> = new Map();
  const kept: RunningSpec[] = [];
  const accumulation = accumulate === 1 ? undefined : createAccumulationStep(name, lossFunction);
  const graph = trace(name, (scope) => {
    const backward = traceBackward(scope, lossFunction);
    const { tree, step, placed = {}, running = {} } = backward;
    // The sums begin again with whatever else the update assigns, once it is known to be sound.
    const emptied = new Map<string, Tensor>();
    const means = meansOf({ ...scope, assign: (stateName, value) => void emptied.set(stateName, value) }, averaged(backward), accumulate);
    const loss = means.get('loss') ?? backward.loss;
    const gradientOf = under('gradient', means);
    const { rate, remember } = rateOf(options.learningRate, step, scope);
    const norm = globalNorm([...gradientOf.values()]);
    const sound = logicalAnd(isFiniteScalar(loss), isFiniteScalar(norm));
    const guarded = guardedBy(scope, sound);
    updateParameters(scope, tree, { gradientOf, norm, step, learningRate: rate, sound, placed }, options);
    for (const [runningName, { initial, after }] of Object.entries(running)) {
      kept.push({ name: runningName, shape: after.shape, initial });
      guarded.assign(stateNames.running(runningName), after);
    }
    remember(loss, guarded.assign);
    for (const [stateName, value] of emptied) guarded.assign(stateName, value);
    guarded.assign(stateNames.step, add(step, 1));
    scope.output('loss', loss);
    scope.output('learningRate', rate);
    scope.output('gradientNorm', norm);
    for (const [metric, value] of under('metric', means)) scope.output(metric, value);
    specs = tree.specs;
    gradientNames = backward.gradientNames;
  });
  return { graph, ...(accumulation === undefined ? {} : { accumulation }), specs, running: kept, gradientNames, options };
}

/** The same loss without update, on the parameters or on their average (`average: true`), for validation. */
export function createEvaluationStep(name: string, lossFunction: LossFunction, options: { readonly average: boolean }): Graph {
  return trace(name, (scope) => {
    const tree = createParameterTree(scope, 'state', options.average ? stateNames.average('') : '');
    const step = scope.state(stateNames.step, [], 'int32');
    const { loss, metrics = {} } = lossFunction({ scope, parameters: tree.root, step });
    scope.output('loss', loss);
    for (const [metric, value] of Object.entries(metrics)) scope.output(metric, value);
  });
}

/** Everything the step reads, before the first update: parameters as `initialiseParameters` gives them, or those passed. */
export function initialTrainingState(step: TrainingStep, from: Key | ReadonlyMap<string, HostArray>): Map<string, HostArray> {
  const parameters = from instanceof Map ? (from as ReadonlyMap<string, HostArray>) : initialiseParameters(step.specs.values(), from as Key);
  const state = new Map<string, HostArray>(parameters);
  state.set(stateNames.step, int32Array([], [0]));
  for (const spec of step.specs.values()) {
    const { name, shape } = spec;
    state.set(stateNames.mean(name), zerosArray(shape));
    if (!updatedByMuon(spec, step.options)) state.set(stateNames.variance(name), zerosArray(shape));
    const initial = parameters.get(name);
    if (step.options.ema !== undefined && initial !== undefined) state.set(stateNames.average(name), initial);
  }
  if (step.options.learningRate.kind === 'warmup-plateau') for (const [name, value] of initialPlateau()) state.set(name, value);
  for (const { name, shape, initial } of step.running) {
    const value = typeof initial === 'number' ? float32Array(shape, new Float32Array(sizeOf(shape)).fill(initial)) : parameters.get(initial.parameter);
    if (value !== undefined) state.set(stateNames.running(name), value);
  }
  return state;
}

/** The trained parameters out of a state: the average where there is one. Names are parameter paths. */
export function trainedParameters(step: TrainingStep, state: ReadonlyMap<string, HostArray>): Map<string, HostArray> {
  const found = new Map<string, HostArray>();
  for (const name of step.specs.keys()) {
    const value = (step.options.ema === undefined ? undefined : state.get(stateNames.average(name))) ?? state.get(name);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}
