import { availableParallelism, cpus, loadavg } from 'node:os';
import type { Backend } from '@tesserae/core';

/** Where numbers come from: they mean little elsewhere. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  /** Engine, its version and device, as the backend says. */
  readonly engine: string;
  /** Processes that wanted a core in the minute before the run. */
  readonly load: number;
}

export function describeMachine(backend: Backend): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    engine: backend.description,
    load: loadavg()[0] ?? Number.NaN,
  };
}

/** Above this share of a core, other work disturbs the timing. */
const quietLoad = 0.5;

/** Whether other work ran when the machine was looked at. */
export const isBusy = ({ load }: Machine): boolean => load > quietLoad;
