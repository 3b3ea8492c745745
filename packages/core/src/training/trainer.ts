import type { Backend, Program, StateStore } from '../backend/backend.js';
import { TesseraeError } from '../errors/index.js';
import { leavesOf } from '../graph/index.js';
import { formatShape, type HostArray, sameShape } from '../tensor/index.js';
import { emptySums, isAccumulated } from './accumulation.js';
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

/** Something that is done every so many updates and at the end, between two updates: validation, pictures. */
export interface TrainingLook {
  /** Updates between two looks; 0 for none at all. */
  readonly every: number;
  /** Run programs on the store, or read it; what is assigned to it changes the training. */
  look(store: StateStore, step: number): Promise<void>;
}

export interface TrainOptions {
  readonly backend: Backend;
  readonly step: TrainingStep;
  /** Where to begin: `initialTrainingState`, or what a checkpoint held. */
  readonly state: ReadonlyMap<string, HostArray>;
  /** Updates in all, those of earlier runs included. */
  readonly steps: number;
  /**
   * The inputs of update `step`; of its batch `part`, from 0, where an update is the mean of several (`OptimizerOptions.accumulate`).
   * Keyed by these alone, so that a resumed run meets the same batches.
   */
  readonly batch: (step: number, part: number) => Record<string, HostArray> | Promise<Record<string, HostArray>>;
  /** Called every `checkpointEvery` updates, at the end, and on abort. Must be atomic. */
  readonly saveCheckpoint?: (state: ReadonlyMap<string, HostArray>, step: number) => Promise<void>;
  /** Default 500. */
  readonly checkpointEvery?: number;
  readonly onProgress?: (progress: TrainingProgress) => void | Promise<void>;
  /** What looks at the training under way, each at its own pace. */
  readonly looks?: readonly TrainingLook[];
  readonly signal?: AbortSignal;
}

function checkState(step: TrainingStep, state: ReadonlyMap<string, HostArray>): void {
  for (const { name, shape, dtype } of leavesOf(step.graph, 'state')) {
    if (isAccumulated(name)) continue;
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
  for (const name of store.types.keys()) if (!isAccumulated(name)) state.set(name, await store.read(name));
  return state;
}

/** One program of an update and what is needed to look into it. */
interface Part extends Pick<TrainingStep, 'graph' | 'gradientNames'> {
  readonly program: Program;
}

/**
 * Runs updates until `steps` are done, saving as it goes. On abort it saves and rejects with the signal's reason; checkpoints hold whole
 * updates, so batches that were added up for one under way are forgotten and made again.
 * @throws TesseraeError `numerical-failure` when the loss or a gradient is not finite, naming the first value that was not; the last
 * checkpoint is left as it was.
 */
export async function train(options: TrainOptions): Promise<Map<string, HostArray>> {
  const { backend, step, steps, batch, saveCheckpoint, checkpointEvery = 500, onProgress, looks = [], signal } = options;
  checkState(step, options.state);
  const store = await backend.createState(new Map([...options.state, ...emptySums(step.graph)]));
  const programs: Program[] = [];
  const open = async ({ graph, gradientNames }: Pick<TrainingStep, 'graph' | 'gradientNames'>): Promise<Part> => {
    const program = await backend.compile(graph, { state: store });
    programs.push(program);
    return { graph, gradientNames, program };
  };
  try {
    const update = await open(step);
    const adding = step.accumulation === undefined ? undefined : await open(step.accumulation);
    const parts = step.options.accumulate ?? 1;
    const counter = await store.read(stateNames.step);
    let done = counter.data[0] ?? 0;
    let savedAt = done;
    const save = async (): Promise<void> => {
      if (saveCheckpoint !== undefined && savedAt !== done) await saveCheckpoint(await readState(store), done);
      savedAt = done;
    };
    const observe = async (isDue: (every: number) => boolean): Promise<void> => {
      try {
        for (const { every, look } of looks) if (every > 0 && isDue(every)) await look(store, done);
      } catch (error) {
        // An interrupted look costs no update.
        if (signal?.aborted) await save();
        throw error;
      }
    };
    let next = done < steps ? await batch(done, 0) : {};
    while (done < steps) {
      const started = performance.now();
      let metrics: Record<string, number> = {};
      for (let part = 0; part < parts; part += 1) {
        if (signal?.aborted) {
          await save();
          throw signal.reason;
        }
        const isLast = part + 1 === parts;
        const { program, graph, gradientNames } = isLast || adding === undefined ? update : adding;
        const running = program.run(next);
        // The next batch is made while the engine works on this one, which must be waited for also when making it throws.
        const prepared = isLast ? (done + 1 < steps ? (async () => batch(done + 1, 0))() : undefined) : (async () => batch(done, part + 1))();
        // A failing batch must not become an unhandled rejection while the engine is still busy.
        prepared?.catch(() => undefined);
        const results = await running;
        metrics = Object.fromEntries(Object.entries(results).map(([name, value]) => [name, value.data[0] ?? Number.NaN]));
        // Nothing was updated (`createTrainingStep`): the same step can be run again and looked into.
        const broken = ['loss', 'gradientNorm'].find((name) => !Number.isFinite(metrics[name] ?? Number.NaN));
        if (broken !== undefined) {
          await prepared?.catch(() => undefined);
          const culprit = await firstNonFinite({ backend, graph, store, inputs: next, names: gradientNames });
          throw new TesseraeError(
            'numerical-failure',
            `The ${broken === 'loss' ? 'loss' : 'gradient'} became ${metrics[broken]} at update ${done + 1}${culprit === undefined ? '' : `; the first value that is no number is ${culprit}`}.`,
            {
              remedy: `The checkpoint of update ${savedAt} is as it was. Look at the pictures where an input is named; else begin anew with a lower learning rate or a smaller clipNorm.`,
              details: { step: done + 1, ...(culprit === undefined ? {} : { culprit }), ...metrics },
            },
          );
        }
        if (isLast) {
          done += 1;
          await onProgress?.({ step: done, steps, metrics, milliseconds: performance.now() - started });
          if (done < steps) await observe((every) => done % every === 0);
          if (done % checkpointEvery === 0) await save();
        }
        if (prepared !== undefined) next = await prepared;
      }
    }
    await save();
    // Also where nothing was left to do: a run that stopped after its last update still owes its last figures.
    await observe(() => true);
    return await readState(store);
  } finally {
    for (const program of programs) program.dispose();
    store.dispose();
  }
}
