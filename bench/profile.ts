import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '@tesserae/core';
import type { BenchmarkContext } from './benchmark.js';

export interface OperatorTime {
  readonly operator: string;
  readonly calls: number;
  readonly milliseconds: number;
  /** Percent of the time of all operators. */
  readonly share: number;
}

/** The operators of one graph in the quickest of its runs, most time first. */
export interface OperatorProfile {
  readonly graph: string;
  readonly milliseconds: number;
  readonly operators: readonly OperatorTime[];
}

/** An event of ONNX Runtime's profile; times in microseconds. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args: { readonly op_name?: string };
}

/** Sums the time of each operator over the quickest run that a profile holds. */
export function operatorTimes(events: readonly ProfileEvent[]): Omit<OperatorProfile, 'graph'> {
  const runs = events.filter(({ name }) => name === 'model_run');
  const quickest = runs.reduce<ProfileEvent | undefined>((best, run) => (best === undefined || run.dur < best.dur ? run : best), undefined);
  if (quickest === undefined) throw new RangeError('the profile holds no run');
  const times = new Map<string, { calls: number; milliseconds: number }>();
  for (const { cat, name, ts, dur, args } of events) {
    const isOperator = cat === 'Node' && name.endsWith('_kernel_time') && args.op_name !== undefined;
    if (!isOperator || ts < quickest.ts || ts >= quickest.ts + quickest.dur) continue;
    const { calls, milliseconds } = times.get(args.op_name ?? '') ?? { calls: 0, milliseconds: 0 };
    times.set(args.op_name ?? '', { calls: calls + 1, milliseconds: milliseconds + dur / 1000 });
  }
  const total = Array.from(times.values()).reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return {
    milliseconds: quickest.dur / 1000,
    operators: Array.from(times, ([operator, time]) => ({ operator, ...time, share: (100 * time.milliseconds) / total })).sort(
      (one, other) => other.milliseconds - one.milliseconds,
    ),
  };
}

/** Profiles every program that `work` compiles, runs and disposes; in the order of their names. */
export async function profileOperators(openProfiled: BenchmarkContext['openProfiled'], work: (backend: Backend) => Promise<void>): Promise<OperatorProfile[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tesserae-profile-'));
  try {
    const backend = await openProfiled(join(folder, 'run'));
    try {
      await work(backend);
    } finally {
      await backend.dispose();
    }
    const profiles: OperatorProfile[] = [];
    for (const file of (await readdir(folder)).sort()) {
      const [, graph = file] = /^run-\d+-(.*)_\d{4}-/.exec(file) ?? [];
      profiles.push({ graph, ...operatorTimes(JSON.parse(await readFile(join(folder, file), 'utf8')) as ProfileEvent[]) });
    }
    return profiles;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
