import type { Backend, StateStore } from '../backend/backend.js';
import { TesseraeError } from '../errors/index.js';
import { leavesOf } from '../graph/index.js';
import { formatShape, type HostArray, sameShape } from '../tensor/index.js';
import { firstNonFinite } from './finiteness.js';
import { stateNames } from './optimizer.js';
import type { TrainingStep } from './training-step.js';

/** What one update told. */
export interface TrainingProgress {
  /** Updates done so far, this one included. */
  readonly step: number;
  readonly steps: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Milliseconds this update took, batch making included. */
  readonly milliseconds: number;
}

export interface TrainOptions {
  readonly backend: Backend;
  readonly step: TrainingStep;
  /** Where to begin: `initialTrainingState`, or what a checkpoint held. */
  readonly state: ReadonlyMap<string, HostArray>;
  /** Updates in all, those of earlier runs included. */
  readonly steps: number;
  /** The inputs of update `step`. Keyed by the step alone, so that a resumed run meets the same batches. */
  readonly batch: (step: number) => Record<string, HostArray> | Promise<Record<string, HostArray>>;
  /** Called every `checkpointEvery` updates, at the end, and on abort. Must be atomic. */
  readonly saveCheckpoint?: (state: ReadonlyMap<string, HostArray>, step: number) => Promise<void>;
  /** Default 500. */
  readonly checkpointEvery?: number;
  readonly onProgress?: (progress: TrainingProgress) => void | Promise<void>;
  /** Called every `evaluateEvery` updates and at the end, with the store: run evaluation programs on it. */
  readonly evaluate?: (store: StateStore, step: number) => Promise<void>;
  readonly evaluateEvery?: number;
  readonly signal?: AbortSignal;
}

function checkState(step: TrainingStep, state: ReadonlyMap<string, HostArray>): void {
  for (const { name, shape, dtype } of leavesOf(step.graph, 'state')) {
    const value = state.get(name);
    if (value === undefined || value.dtype !== dtype || !sameShape(value.shape, shape)) {
      throw new TesseraeError(
        'model-incompatible',
        `The training state has ${value === undefined ? 'no' : `${value.dtype} ${formatShape(value.shape)} for`} '${name}', but the model needs ${dtype} ${formatShape(shape)}.`,
        {
          remedy: 'Resume with the configuration the training began with, or begin anew.',
          details: { name },
        },
      );
    }
  }
}

async function readState(store: StateStore): Promise<Map<string, HostArray>> {
  const state = new Map<string, HostArray>();
  for (const name of store.types.keys()) state.set(name, await store.read(name));
  return state;
}

/**
 * Runs updates until `steps` are done, saving as it goes. On abort it saves and rejects with the signal's reason.
 * @throws TesseraeError `numerical-failure` when the loss or a gradient is not finite, naming the first value that was not; the last
 * checkpoint is left as it was.
 */
export async function train(options: TrainOptions): Promise<Map<string, HostArray>> {
  const { backend, step, steps, batch, saveCheckpoint, checkpointEvery = 500, onProgress, evaluate, evaluateEvery = 0, signal } = options;
  checkState(step, options.state);
  const store = await backend.createState(options.state);
  try {
    const program = await backend.compile(step.graph, { state: store });
    try {
      const counter = await store.read(stateNames.step);
      let done = counter.data[0] ?? 0;
      let savedAt = done;
      const save = async (): Promise<void> => {
        if (saveCheckpoint !== undefined && savedAt !== done) await saveCheckpoint(await readState(store), done);
        savedAt = done;
      };
      let next = done < steps ? await batch(done) : {};
      while (done < steps) {
        if (signal?.aborted) {
          await save();
          throw signal.reason;
        }
        const started = performance.now();
        const running = program.run(next);
        // The next batch is made while the engine works on this one, which must be waited for also when making it throws.
        const prepared = done + 1 < steps ? (async () => batch(done + 1))() : undefined;
        // A failing batch must not become an unhandled rejection while the engine is still busy.
        prepared?.catch(() => undefined);
        const results = await running;
        const metrics = Object.fromEntries(Object.entries(results).map(([name, value]) => [name, value.data[0] ?? Number.NaN]));
        // Nothing was updated (`createTrainingStep`): the same step can be run again and looked into.
        const broken = ['loss', 'gradientNorm'].find((name) => !Number.isFinite(metrics[name] ?? Number.NaN));
        if (broken !== undefined) {
          await prepared?.catch(() => undefined);
          const culprit = await firstNonFinite({ backend, graph: step.graph, store, inputs: next, names: step.gradientNames });
          throw new TesseraeError(
            'numerical-failure',
            `The ${broken === 'loss' ? 'loss' : 'gradient'} became ${metrics[broken]} at update ${done + 1}${culprit === undefined ? '' : `; the first value that is no number is ${culprit}`}.`,
            {
              remedy: `The checkpoint of update ${savedAt} is as it was. Look at the pictures where an input is named; else begin anew with a lower learning rate or a smaller clipNorm.`,
              details: { step: done + 1, ...(culprit === undefined ? {} : { culprit }), ...metrics },
            },
          );
        }
        done += 1;
        await onProgress?.({ step: done, steps, metrics, milliseconds: performance.now() - started });
        if (evaluate !== undefined && evaluateEvery > 0 && done % evaluateEvery === 0 && done < steps) await evaluate(store, done);
        if (done % checkpointEvery === 0) await save();
        if (prepared !== undefined) next = await prepared;
      }
      await save();
      // Also where nothing was left to do: a run that stopped after its last update still owes its last figures.
      if (evaluate !== undefined && evaluateEvery > 0) await evaluate(store, done);
      return await readState(store);
    } finally {
      program.dispose();
    }
  } finally {
    store.dispose();
  }
}
