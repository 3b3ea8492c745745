import { readFileSync } from 'node:fs';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
import type { Backend } from '@tesserae/core';
import { openSafetensorsFile } from '@tesserae/core/node';
import { createTransformerPrior, type PriorConfiguration } from '@tesserae/transformer';

/** What a process of this file opens, as JSON in its first argument. */
export interface OpenSetting {
  readonly configuration: PriorConfiguration;
  readonly weights: string;
}

export interface OpenAnswer {
  /** From the file's name to the first image token. */
  readonly drawn: number;
  /** Until the model has read that token too, for which the program that decodes is compiled. */
  readonly read: number;
  /** Bytes of memory gained on the way, the file's mapped pages among them, each once. */
  readonly gained: number;
}

/** Resident memory in bytes. Two programs map the same file, and the kernel's plain count has its pages twice: where it tells, each counts once. */
function residentMemory(): number {
  try {
    const [, kibibytes] = /^Pss:\s+(\d+) kB/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8')) ?? [];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch {
    // Not on Linux.
  }
  return process.memoryUsage.rss();
}

const { configuration, weights } = JSON.parse(process.argv[2] ?? '') as OpenSetting;
// Node and the engine are there already, as they are in a program that opens a second model.
const engine = await createNodeOnnxBackend({ memoryMap: true });
let drawn: number | undefined;
/** The engine, noting when a program has drawn a token for the first time. */
const backend: Backend = {
  ...engine,
  async compile(graph, options) {
    const program = await engine.compile(graph, options);
    if (graph.name !== 'sample') return program;
    return {
      ...program,
      async run(...call) {
        const results = await program.run(...call);
        drawn ??= performance.now();
        return results;
      },
    };
  },
};
const before = residentMemory();
const started = performance.now();
const prior = createTransformerPrior({ config: configuration, weights: await openSafetensorsFile(weights), backend });
const stop = new AbortController();
const rows = prior.decode(
  {
    branches: [{ text: Int32Array.of(5, 6, 7), weight: 1 }],
    known: [new Int32Array(prior.grid.rows * prior.grid.columns).fill(-1)],
    candidates: [0],
    sampling: { temperature: 1 },
    uniform: () => 0.5,
    logits: [
      {
        name: 'first token',
        host({ position, tokens }) {
          if (position !== 1) return;
          if ((tokens[0]?.[0] ?? -1) < 0 || drawn === undefined) throw new Error('There is no first token yet.');
          const seconds = (at: number): number => (at - started) / 1000;
          process.send?.({ drawn: seconds(drawn), read: seconds(performance.now()), gained: residentMemory() - before } satisfies OpenAnswer);
          stop.abort();
        },
      },
    ],
  },
  { signal: stop.signal },
);
await rows[Symbol.asyncIterator]()
  .next()
  .catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
process.exit(0);
