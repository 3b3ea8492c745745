import { gradients } from '../autodiff/index.js';
import { type Graph, type Tensor, type TraceScope, trace } from '../graph/index.js';
import { createParameterTree, initialiseParameters, type ParameterScope, type ParameterSpec } from '../modules/index.js';
import { add, logicalAnd, where } from '../ops/index.js';
import type { Key } from '../random/index.js';
import { float32Array, type HostArray, int32Array, type Shape, sizeOf, zerosArray } from '../tensor/index.js';
import { isFiniteScalar } from './finiteness.js';
import { globalNorm, type OptimizerOptions, stateNames, updatedByMuon, updateParameters } from './optimizer.js';
import { scheduleTensor } from './schedules.js';

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
}

/** A loss written with core operations: declares its inputs on `scope` and its weights on `parameters`. */
export type LossFunction = (context: LossContext) => LossResult;

/** One update of a model as one graph, and what it needs to begin. */
export interface TrainingStep {
  /** Results: `loss`, `learningRate`, `gradientNorm` and the metrics; updates: parameters, moments, average, step. */
  readonly graph: Graph;
  readonly specs: ReadonlyMap<string, ParameterSpec>;
  /** What the objective keeps beside them. */
  readonly running: readonly RunningSpec[];
  /** Nodes of the graph that hold a parameter's gradient, and what to call them. */
  readonly gradientNames: ReadonlyMap<number, string>;
  readonly options: OptimizerOptions;
}

/**
 * Traces loss, gradients and the optimiser into one graph. An update whose loss or gradient is not finite changes nothing: the
 * state stays the one that made it, and can be asked where it began (`firstNonFinite`).
 */
export function createTrainingStep(name: string, lossFunction: LossFunction, options: OptimizerOptions): TrainingStep {
  let specs: ReadonlyMap<string, ParameterSpec> = new Map();
  const kept: RunningSpec[] = [];
  const gradientNames = new Map<number, string>();
  const graph = trace(name, (scope) => {
    const tree = createParameterTree(scope, 'state');
    const step = scope.state(stateNames.step, [], 'int32');
    const { loss, metrics = {}, placed = {}, running = {} } = lossFunction({ scope, parameters: tree.root, step });
    const names = [...tree.tensors.keys()];
    const computed = gradients(loss, [...tree.tensors.values()]);
    const gradientOf = new Map(computed.map((gradient, index) => [names[index] ?? '', gradient] as const));
    for (const [parameter, { node }] of gradientOf) gradientNames.set(node, `gradient of ${parameter}`);
    const learningRate = scheduleTensor(options.learningRate, step);
    const norm = globalNorm([...gradientOf.values()]);
    const sound = logicalAnd(isFiniteScalar(loss), isFiniteScalar(norm));
    const guarded: TraceScope = { ...scope, assign: (stateName, value) => scope.assign(stateName, where(sound, value, scope.state(stateName, value.shape, value.dtype))) };
    updateParameters(guarded, tree, { gradientOf, norm, step, learningRate, placed }, options);
    for (const [runningName, { initial, after }] of Object.entries(running)) {
      kept.push({ name: runningName, shape: after.shape, initial });
      guarded.assign(stateNames.running(runningName), after);
    }
    guarded.assign(stateNames.step, add(step, 1));
    scope.output('loss', loss);
    scope.output('learningRate', learningRate);
    scope.output('gradientNorm', norm);
    for (const [metric, value] of Object.entries(metrics)) scope.output(metric, value);
    specs = tree.specs;
  });
  return { graph, specs, running: kept, gradientNames, options };
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
