import { parseArgs } from 'node:util';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
import * as onnxruntime from 'onnxruntime-node';
import type { Benchmark, Report } from './benchmark.js';
import { convertCheckpoint } from './convert.js';
import { decode, decodePaper } from './decode.js';
import { imageTokenizer, paperImageTokenizer } from './image-tokenizer.js';
import { describeMachine, type Machine } from './machine.js';
import { openModel } from './open-model.js';
import { paperAttention } from './paper-attention.js';
import { precision } from './precision.js';
import { formatReport } from './report.js';
import { trainStep } from './train-step.js';

const benchmarks: readonly Benchmark[] = [trainStep, paperAttention, decode, decodePaper, openModel, precision, imageTokenizer, paperImageTokenizer, convertCheckpoint];

const usage = `npm run bench -- [names] [--rounds N] [--threads N] [--json]

${benchmarks.map(({ name, summary, rounds }) => `  ${name.padEnd(16)} ${summary} (${rounds} rounds)`).join('\n')}

  --rounds N       measured rounds of each
  --threads N      threads of the engine (default: one a core)
  --json           one JSON document on standard output
`;

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`--${name} ${text}: give a whole number of at least 1.`);
  return value;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string' }, threads: { type: 'string' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const unknown = positionals.find((name) => !benchmarks.some((benchmark) => benchmark.name === name));
  if (unknown !== undefined) throw new RangeError(`There is no benchmark '${unknown}'. They are ${benchmarks.map(({ name }) => name).join(', ')}.`);
  const [rounds, threads] = [wholeNumber('rounds', values.rounds), wholeNumber('threads', values.threads)];
  const chosen = positionals.length === 0 ? benchmarks : benchmarks.filter(({ name }) => positionals.includes(name));
  const engine = { runtime: onnxruntime, ...(threads === undefined ? {} : { threads }) };
  const backend = await createNodeOnnxBackend(engine);
  // Before anything runs: later the load would be our own.
  const machine = describeMachine(backend);
  const done: ({ readonly name: string; readonly machine: Machine } & Report)[] = [];
  try {
    for (const benchmark of chosen) {
      const report = await benchmark.run({ backend, rounds: rounds ?? benchmark.rounds, openProfiled: (profile) => createNodeOnnxBackend({ ...engine, profile }) });
      done.push({ name: benchmark.name, machine, ...report });
      if (!values.json) process.stdout.write(`${formatReport(benchmark, machine, report)}\n\n`);
    }
  } finally {
    await backend.dispose();
  }
  if (values.json) process.stdout.write(`${JSON.stringify(done, null, 2)}\n`);
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
