import { claimedComposites } from '@tesserae/backend-onnx';
import { bytesOf, countFlops, createTrainingStep, type LiveValue, type LossFunction, leavesOf, memoryUse, type OptimizerOptions, stateNames } from '@tesserae/core';
import type { Machine } from './machine.js';
import { countParameters } from './parameters.js';

/** Bytes of a training step on one device, in float32. */
export interface TrainingMemory {
  readonly parameters: number;
  /** By what the optimiser keeps: means, variances, the parameters' average. */
  readonly optimizer: Readonly<Record<'means' | 'variances' | 'average' | 'other', number>>;
  readonly inputs: number;
  /** Masks and other arrays written into the graph. */
  readonly literals: number;
  /** Computed values when most of them are needed at once. */
  readonly peak: { readonly gradients: number; readonly newState: number; readonly activations: number };
  readonly total: number;
  /** What the peak is mostly made of: equal values together. */
  readonly largest: readonly { readonly operation: string; readonly shape: readonly number[]; readonly count: number; readonly bytes: number }[];
}

export interface TrainingPlan {
  readonly batch: number;
  /** Learnt from in one update. */
  readonly tokens: number;
  readonly updates: number;
  readonly flops: { readonly perToken: number; readonly perUpdate: number; readonly total: number };
  /** FLOPs a token over 6 times the parameters: above 1 by what attention and the optimiser do, below by embeddings, which multiply nothing. */
  readonly perSixParameters: number;
  readonly memory: TrainingMemory;
}

export interface TrainingSubject {
  readonly name: string;
  readonly loss: LossFunction;
  readonly optimizer: OptimizerOptions;
  readonly batch: number;
  readonly tokens: number;
  readonly updates: number;
}

function groupEqual(values: readonly LiveValue[]): TrainingMemory['largest'] {
  const groups = new Map<string, { operation: string; shape: readonly number[]; count: number; bytes: number }>();
  for (const { operation, shape, bytes, mark, update } of values) {
    const what = mark !== undefined ? 'gradient' : update !== undefined ? 'new state' : operation;
    const key = `${what} ${shape}`;
    const group = groups.get(key) ?? { operation: what, shape, count: 0, bytes: 0 };
    groups.set(key, { ...group, count: group.count + 1, bytes: group.bytes + bytes });
  }
  return [...groups.values()].sort((one, other) => other.bytes - one.bytes).slice(0, 8);
}

/** What a training of these updates costs, counted on the traced training step: no weight is made. */
export function planTraining({ name, loss, optimizer, batch, tokens, updates }: TrainingSubject): TrainingPlan {
  const { graph, specs, gradientNames } = createTrainingStep(name, loss, optimizer);
  const { total: perUpdate } = countFlops(graph);
  const use = memoryUse(graph, { composites: new Set(claimedComposites), marks: gradientNames });
  const kept = { parameters: 0, means: 0, variances: 0, average: 0, other: 0 };
  for (const leaf of leavesOf(graph, 'state')) {
    const kind = specs.has(leaf.name)
      ? 'parameters'
      : leaf.name.startsWith(stateNames.mean(''))
        ? 'means'
        : leaf.name.startsWith(stateNames.variance(''))
          ? 'variances'
          : leaf.name.startsWith(stateNames.average(''))
            ? 'average'
            : 'other';
    kept[kind] += bytesOf(leaf);
  }
  const alive = (wanted: (value: LiveValue) => boolean): number => use.alive.filter(wanted).reduce((sum, { bytes }) => sum + bytes, 0);
  const gradients = alive(({ mark }) => mark !== undefined);
  const newState = alive(({ mark, update }) => mark === undefined && update !== undefined);
  const { parameters, ...optimizerState } = kept;
  const { input, state, literal } = use.leaves;
  return {
    batch,
    tokens,
    updates,
    flops: { perToken: perUpdate / tokens, perUpdate, total: perUpdate * updates },
    perSixParameters: perUpdate / tokens / (6 * countParameters(specs.values())),
    memory: {
      parameters,
      optimizer: optimizerState,
      inputs: input,
      literals: literal,
      peak: { gradients, newState, activations: use.peak - gradients - newState },
      total: state + input + literal + use.peak,
      largest: groupEqual(use.alive),
    },
  };
}

export interface TrainingTime {
  readonly tokensPerSecond: number;
  readonly hours: number;
  readonly dollars?: number;
}

/** How long a machine needs, if it is known how fast it is. */
export function trainingTime({ tokens, flops }: TrainingPlan, machine: Machine): TrainingTime | undefined {
  if (machine.flops === undefined) return undefined;
  const hours = flops.total / machine.flops / 3600;
  return { tokensPerSecond: (tokens * machine.flops) / flops.perUpdate, hours, ...(machine.dollarsPerHour === undefined ? {} : { dollars: hours * machine.dollarsPerHour }) };
}
