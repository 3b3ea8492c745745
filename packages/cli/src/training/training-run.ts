import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Backend, type HostArray, type StateStore, TesseraeError, type TrainingLook, type TrainingProgress, type TrainingStep, train } from '@tesserae/core';
import { fileExists, readSafetensorsFile, writeFileAtomically, writeSafetensorsFile } from '@tesserae/core/node';
import { formatDuration, type Output } from '../terminal/output.js';
import { writeCurves } from './curves.js';
import { createThroughputMeter, describeThroughput, graphsOfAnUpdate, matrixProductRate } from './throughput.js';
import { writeThroughput } from './throughput-file.js';

export interface TrainingRun {
  /** What the progress bar says, e.g. `image tokenizer`. */
  readonly label: string;
  /** Folder for checkpoint and metrics. */
  readonly folder: string;
  readonly backend: Backend;
  readonly step: TrainingStep;
  readonly steps: number;
  /** Everything the first update reads; asked for only when there is no checkpoint. */
  readonly initialState: () => Promise<ReadonlyMap<string, HostArray>>;
  readonly resume: boolean;
  /** A text that tells one recipe from another: a checkpoint of another recipe is not resumed. */
  readonly recipe: string;
  /** As `TrainOptions.batch`. */
  readonly batch: (step: number, part: number) => Record<string, HostArray> | Promise<Record<string, HostArray>>;
  readonly evaluate?: (store: StateStore, step: number, log: (values: Readonly<Record<string, number>>) => Promise<void>) => Promise<void>;
  readonly evaluateEvery?: number;
  /** What else looks at the training under way. */
  readonly looks?: readonly TrainingLook[];
  /** The metric shown beside the bar. */
  readonly shown: readonly string[];
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** A twentieth of the training at most is lost to a crash, and never more than 500 updates. */
function checkpointEvery(steps: number): number {
  return Math.min(500, Math.max(10, Math.ceil(steps / 20)));
}

/** Drops the lines of updates after a checkpoint: they are done again. A line that a crash cut off goes too. */
async function keepMetrics(file: string, step: number): Promise<void> {
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  const kept = lines.filter((line) => {
    try {
      return (JSON.parse(line) as { readonly step: number }).step <= step;
    } catch {
      return false;
    }
  });
  await writeFileAtomically(file, kept.map((line) => `${line}\n`).join(''));
}

/** A stage's training from wherever it stands to its end: checkpoints, a line of metrics an update in `metrics.jsonl`, a bar. */
export async function runTraining(run: TrainingRun): Promise<ReadonlyMap<string, HostArray>> {
  const { folder, output, label, steps } = run;
  await mkdir(folder, { recursive: true });
  await removeTornFiles(folder);
  const checkpoint = join(folder, 'checkpoint.safetensors');
  const metricsFile = join(folder, 'metrics.jsonl');
  let state: ReadonlyMap<string, HostArray>;
  if (await fileExists(checkpoint)) {
    if (!run.resume) {
      throw new TesseraeError('invalid-argument', `${checkpoint} is left of an earlier training.`, { remedy: 'Go on with --resume, or give another --out.' });
    }
    const saved = await readSafetensorsFile(checkpoint);
    if (saved.metadata.recipe !== run.recipe) {
      throw new TesseraeError('model-incompatible', `${checkpoint} was made with other options.`, {
        remedy: `Resume with the same options (${saved.metadata.recipe ?? 'unknown'}), or give another --out.`,
      });
    }
    state = saved.arrays;
    await keepMetrics(metricsFile, Number(saved.metadata.step ?? 0));
    output.note(`${label}: going on after update ${saved.metadata.step ?? '?'}`);
  } else {
    state = await run.initialState();
    await rm(metricsFile, { force: true });
  }
  const log = (values: Readonly<Record<string, unknown>>): Promise<void> => appendFile(metricsFile, `${JSON.stringify(values)}\n`);
  const meter = createThroughputMeter(graphsOfAnUpdate(run.step), await matrixProductRate(run.backend));
  const bar = output.progress(label, steps, 'updates');
  const started = Date.now();
  const onProgress = async ({ step, metrics, milliseconds }: TrainingProgress): Promise<void> => {
    meter.add(step, milliseconds);
    const recent = meter.recent();
    const shown = run.shown.map((name) => `${name} ${(metrics[name] ?? Number.NaN).toPrecision(4)}`);
    bar.update(step, [...shown, ...(recent === undefined ? [] : [describeThroughput(recent)])].join('  '));
    await log({ step, ...metrics, milliseconds: Math.round(milliseconds) });
  };
  try {
    const result = await train({
      backend: run.backend,
      step: run.step,
      state,
      steps,
      batch: run.batch,
      onProgress,
      saveCheckpoint: (arrays, step) => writeSafetensorsFile(checkpoint, arrays, { recipe: run.recipe, step: String(step) }),
      checkpointEvery: checkpointEvery(steps),
      looks: [{ every: run.evaluateEvery ?? 0, look: async (store, step) => run.evaluate?.(store, step, (values) => log({ step, ...values })) }, ...(run.looks ?? [])],
      signal: run.signal,
    });
    bar.end();
    await writeCurves(folder);
    const overall = meter.overall();
    output.note(`${label}: ${steps} updates done in ${formatDuration((Date.now() - started) / 1000)}${overall === undefined ? '' : `; ${describeThroughput(overall)}`}`);
    if (overall !== undefined) await writeThroughput(folder, overall);
    return result;
  } finally {
    bar.end();
  }
}

/** What a crash in the middle of a write left: the file it was to replace is whole. */
async function removeTornFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.endsWith('.tmp')) await rm(join(folder, name), { force: true });
}

/** Removes a finished stage's checkpoint: its result is in the model folder. */
export function removeCheckpoint(folder: string): Promise<void> {
  return rm(join(folder, 'checkpoint.safetensors'), { force: true });
}
