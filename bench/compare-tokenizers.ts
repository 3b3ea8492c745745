import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
import { writeFileAtomically } from '@tesserae/core/node';
import * as onnxruntime from 'onnxruntime-node';
import { contactSheet, encodePng } from '../packages/cli/src/pictures.js';
import { drawScene, sampleExample } from '../packages/datasets/src/index.js';
import { describeMachine, isBusy, type Machine } from './machine.js';
import { spreadOf } from './measure.js';
import { contestants, size } from './tokenizers/contestants.js';
import { type Measured, measure, shown } from './tokenizers/measure.js';
import { trainedWeights } from './tokenizers/train.js';

/**
 * Trains image tokenizers of one size on one set of scenes, one after another, measures them on unseen scenes and writes the table and the
 * pictures of docs/image-tokenizers.md. Goes on where it was interrupted.
 */
const usage = `npm run compare-tokenizers -- --out FOLDER [--only NAMES] [--steps 1000] [--pictures 5000] [--threads 1] [--document]

  --out FOLDER     where the models go; what is finished there is kept
  --only NAMES     some of ${contestants(10)
    .map(({ name }) => name)
    .join(', ')}
  --document       writes docs/image-tokenizers.md and docs/pictures/; npx biome check --write docs lays out the table
`;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const heldOut = 256;

interface Result {
  readonly name: string;
  readonly parameters: number;
  readonly updates: number;
  /** Median over the training. */
  readonly secondsPerUpdate: number;
  readonly rows: readonly Omit<Measured, 'pictures'>[];
}

const scenes = (split: 'train' | 'validation', count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, index) => drawScene(sampleExample(5, split, index).scene, size).data);

/** Seconds of the updates of a training, its warm-up included, from its metrics. */
async function secondsOf(folder: string): Promise<number[]> {
  const files = await Promise.all(['image-tokenizer-warm-up', 'image-tokenizer'].map((name) => readFile(join(folder, 'training', name, 'metrics.jsonl'), 'utf8').catch(() => '')));
  return files.flatMap((text) =>
    text.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { readonly milliseconds?: number }).milliseconds ?? []].flat().map((value) => value / 1000))),
  );
}

const cell = (value: number | undefined, digits: number): string => (value === undefined ? '–' : value.toFixed(digits));

function table(results: readonly Result[]): string {
  const lines = [
    '| what comes back | numbers | PSNR, dB | −ln p, nats | KL, nats a place | ELB, nats | codes used | perplexity | s an update |',
    '| --- | --: | --: | --: | --: | --: | --: | --: | --: |',
  ];
  for (const { parameters, secondsPerUpdate, rows } of results) {
    rows.forEach(({ title, psnr, reconstruction, kl, elb, usedCodes, perplexity }, index) => {
      const once = (text: string): string => (index === 0 ? text : '');
      lines.push(
        `| ${[title, once(parameters.toLocaleString('en-US')), cell(psnr, 2), cell(reconstruction, 3), cell(kl, 2), cell(elb, 3), cell(usedCodes, 0), cell(perplexity, 1), once(secondsPerUpdate.toFixed(2))].join(' | ')} |`,
      );
    });
  }
  return lines.join('\n');
}

/** Replaces what stands between the marks of the document. */
async function writeDocument(
  results: readonly Result[],
  { machine, pictures, threads }: { readonly machine: Machine; readonly pictures: number; readonly threads: number },
): Promise<void> {
  const path = join(root, 'docs', 'image-tokenizers.md');
  const text = await readFile(path, 'utf8');
  const [before = '', after = ''] = [text.split('<!-- measured -->')[0], text.split('<!-- /measured -->')[1]];
  const setting = `${pictures.toLocaleString('en-US')} scenes of 64×64 pixels to train on, ${heldOut} others to measure on, ${results[0]?.updates ?? 0} updates of 16; ${machine.cpu}, ${machine.cores} cores, ${threads} ${threads === 1 ? 'thread' : 'threads'}, Node ${machine.node}, ${machine.engine}.${isBusy(machine) ? ` Other work was running (load ${machine.load.toFixed(1)}): seconds compare only roughly.` : ''}`;
  await writeFileAtomically(path, `${before}<!-- measured -->\n\n${setting}\n\n${table(results)}\n\n<!-- /measured -->${after}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      only: { type: 'string' },
      steps: { type: 'string', default: '1000' },
      pictures: { type: 'string', default: '5000' },
      threads: { type: 'string', default: '1' },
      document: { type: 'boolean', default: false },
    },
  });
  const { out } = values;
  const [steps, count, threads] = [Number(values.steps), Number(values.pictures), Number(values.threads)];
  if (out === undefined || ![steps, count, threads].every((value) => Number.isInteger(value) && value > 0)) {
    process.stdout.write(usage);
    process.exitCode = 2;
    return;
  }
  const only = values.only?.split(',');
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort(new DOMException('Interrupted.', 'AbortError')));
  const backend = await createNodeOnnxBackend({ runtime: onnxruntime, threads });
  const machine = describeMachine(backend);
  const [pictures, unseen] = [scenes('train', count), scenes('validation', heldOut)];
  const results: Result[] = [];
  const originals = unseen.slice(0, shown).map((data) => ({ width: size, height: size, data }));
  try {
    for (const contestant of contestants(steps)) {
      if (only !== undefined && !only.includes(contestant.name)) continue;
      process.stdout.write(`${contestant.name}: ${contestant.title}\n`);
      const folder = join(out, contestant.name);
      const weights = await trainedWeights(contestant, { backend, pictures, folder, signal: abort.signal });
      const rows = await measure(contestant, backend, weights, unseen);
      const result: Result = {
        name: contestant.name,
        parameters: [...weights.values()].reduce((sum, { data }) => sum + data.length, 0),
        updates: steps,
        secondsPerUpdate: spreadOf(await secondsOf(folder)).median,
        rows: rows.map(({ pictures: _, ...row }) => row),
      };
      results.push(result);
      process.stdout.write(`${table([result])}\n`);
      const strip = await encodePng(contactSheet([originals, ...rows.map((row) => row.pictures)]));
      const file = join(values.document ? join(root, 'docs', 'pictures', 'image-tokenizers') : folder, `${contestant.name}.png`);
      await mkdir(dirname(file), { recursive: true });
      await writeFileAtomically(file, strip);
    }
    await writeFileAtomically(join(out, 'results.json'), `${JSON.stringify({ machine, results }, null, 2)}\n`);
    if (values.document) await writeDocument(results, { machine, pictures: count, threads });
  } finally {
    await backend.dispose();
  }
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
