import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createParameterTree, gradients, type HostArray, int32Array, type LossFunction, type ParameterScope, type TraceScope, trace, type WeightSource } from '@tesserae/core';
import { type OpenedModel, openModelFolder } from '@tesserae/core/node';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
import { createReferenceBackend } from '@tesserae/core/reference';
import { type PartName, readArray } from '@tesserae/importers';
import { openCheckpointFile } from '@tesserae/importers/node';
import { runCommand } from './run-command.js';
import { largestDifference } from '../../../core/src/__fixtures__/peers/peer-checks.js';

/**
 * A recorded part of a peer's model: converted by the command from the peer's own files, then run on what the peer was run on. The numbers are the
 * reference backend's, which are the same on every machine, except where that would take too long.
 */

export const packages = fileURLToPath(new URL('../../../', import.meta.url));
export const peers = join(packages, 'importers/src/__fixtures__/peers');

export interface Measured {
  /** Codes or greedy tokens that differ from the peer's, where some were recorded. */
  readonly wrongTokens?: number;
  readonly errors?: readonly { readonly of: string; readonly error: number; readonly allowed: number }[];
  /** Of every weight's gradient, where the peer recorded them. */
  readonly gradients?: { readonly error: number; readonly allowed: number };
}

/** A recorded part of a model. */
export interface ConversionCase {
  readonly name: string;
  readonly family: string;
  readonly part: PartName;
  /** The peer's own files or folder. */
  readonly sources: readonly string[];
  /** What is added to the command line: settings that no file of the case says. */
  readonly words?: readonly string[];
  readonly measure: (model: OpenedModel) => Promise<Measured>;
}

export interface ConversionResult extends Measured {
  readonly name: string;
  readonly family: string;
  readonly part: PartName;
  readonly converts: boolean;
}

interface Meta {
  readonly config: { readonly extra?: Readonly<Record<string, unknown>>; readonly temp?: number; readonly supercondition_factor?: number };
  readonly tolerance_advice_max_abs: Readonly<Record<string, number>>;
}

/** What a case's `meta.json` says. */
export const metaOf = (folder: string): Meta => JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Meta;

export async function recording(folder: string, name: string): Promise<HostArray> {
  const { tensors } = await openCheckpointFile(join(folder, `${name}.npy`));
  const [tensor] = tensors;
  if (tensor === undefined) throw new Error(`${folder} has no ${name}`);
  return readArray(tensor);
}

/** The same whole numbers as int32. */
export const integers = ({ shape, data }: HostArray): HostArray => int32Array(shape, Int32Array.from(data));

/** Runs a program on converted weights. `isLarge`: too large for the reference backend. */
export async function compute(
  weights: WeightSource,
  inputs: Readonly<Record<string, HostArray>>,
  body: (scope: TraceScope, root: ParameterScope) => void,
  isLarge = false,
): Promise<Record<string, HostArray>> {
  const backend = isLarge ? await createNodeOnnxBackend({ threads: 1 }) : createReferenceBackend();
  const program = await backend.compile(
    trace('conversion', (scope) => body(scope, createParameterTree(scope, 'constant').root)),
    { weights },
  );
  try {
    return await program.run({ ...inputs });
  } finally {
    program.dispose();
    await backend.dispose();
  }
}

/** The largest error of the gradients of a loss: one was recorded for each weight, under our path of it, below `grads/`. */
export async function gradientError(weights: WeightSource, inputs: Readonly<Record<string, HostArray>>, loss: LossFunction, recorded: string): Promise<number> {
  const paths: string[] = [];
  const results = await compute(weights, inputs, (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const made = loss({ scope, parameters: tree.root, step: scope.iota([]) }).loss;
    paths.push(...tree.tensors.keys());
    for (const [index, gradient] of gradients(made, [...tree.tensors.values()]).entries()) scope.output(`gradient ${index}`, gradient);
  });
  let largest = paths.length === weights.types.size ? 0 : Number.POSITIVE_INFINITY;
  for (const [index, path] of paths.entries()) {
    const expected = await recording(join(recorded, 'grads'), path);
    largest = Math.max(largest, largestDifference(results[`gradient ${index}`]?.data ?? [], expected.data));
  }
  return largest;
}

/** Converts one case into `folder` and measures it. */
export async function measureConversion({ name, family, part, sources, words = [], measure }: ConversionCase, folder: string): Promise<ConversionResult> {
  const { code, stdout, stderr } = await runCommand(['convert', ...sources, '--out', folder, '--replace', '--json', ...words]);
  if (code !== 0) throw new Error(`${name}: ${stderr}`);
  const { parts } = JSON.parse(stdout) as { readonly parts: readonly { readonly family: string; readonly part: string }[] };
  const converts = parts.some((found) => found.part === part && found.family === family);
  return { name, family, part, converts, ...(await measure(await openModelFolder(folder))) };
}


/** Powers of ten say what there is to say, and are nearly the same everywhere. */
const below = (value: number): string => (value === 0 ? '0' : `below 1e${Math.floor(Math.log10(value)) + 1}`);

const within = (error: number, allowed: number): string => `${error <= allowed ? '' : '**wrong** '}${below(error)} (${allowed.toExponential(0)})`;

/** Columns as wide as the formatter of this repository makes them. */
function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const padded = rows.map((row) => line(row.map((cell, column) => cell.padEnd(widths[column] ?? 0))));
  return [padded[0], line(widths.map((width) => '-'.repeat(width))), ...padded.slice(1)].join('\n');
}

/** What came out, as the table of `docs/importing.md`. */
export function conversionTable(results: readonly ConversionResult[]): string {
  return markdownTable([
    ['case', '`--as`', 'part', 'converts', 'codes or greedy tokens', 'outputs: largest error (allowed)', 'gradients: largest error (allowed)'],
    ...results.map(({ name, family, part, converts, wrongTokens, errors, gradients: slopes }) => [
      name,
      `\`${family}\``,
      `\`${part}\``,
      converts ? 'yes' : '**no**',
      wrongTokens === undefined ? 'none recorded' : wrongTokens === 0 ? 'identical' : `**${wrongTokens} differ**`,
      errors === undefined ? 'none recorded' : errors.map(({ of, error, allowed }) => `${of} ${within(error, allowed)}`).join('; '),
      slopes === undefined ? 'none recorded' : within(slopes.error, slopes.allowed),
    ]),
  ]);
}
