import type { ParseArgsConfig } from 'node:util';
import type { TesseraeConfiguration } from './configuration-file.js';
import type { PictureSize } from './pictures.js';
import type { Output } from './terminal/output.js';

type Options = NonNullable<ParseArgsConfig['options']>;

/** One option of a command: how to parse it and what `--help` says. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What stands for the value in `--help`. */
  readonly value?: string;
  /** May be given several times (`textsOption`). */
  readonly multiple?: true;
  readonly help: string;
}

export type OptionValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface CommandContext {
  readonly positionals: readonly string[];
  readonly options: OptionValues;
  readonly output: Output;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What `tesserae.config.ts` says; empty where there is none. */
  readonly configuration: TesseraeConfiguration;
}

/** A subcommand: plain data and one function. What it returns is printed as one JSON document under `--json`. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  run(context: CommandContext): Promise<unknown>;
}

/** A wrong call: exit code 2 and a hint at `--help`. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Options every command has. */
export const commonOptions: Readonly<Record<string, OptionSpec>> = {
  json: { type: 'boolean', help: 'print one JSON document on stdout, nothing else' },
  quiet: { type: 'boolean', short: 'q', help: 'no progress' },
  verbose: { type: 'boolean', help: 'stack traces and causes of errors' },
  config: { type: 'string', value: 'FILE', help: 'configuration to read (default: tesserae.config.ts, .js or .json here)' },
  help: { type: 'boolean', short: 'h', help: 'this text' },
};

/** The option of every command that reads a model. */
export const modelOption: Readonly<Record<'model', OptionSpec>> = {
  model: { type: 'string', short: 'm', value: 'DIR', help: "model folder (default: the configuration's, else ./model)" },
};

/** The folder that `modelOption`, or else the configuration, names. */
export function modelFolder({ options, configuration }: Pick<CommandContext, 'options' | 'configuration'>): string {
  return textOption(options, 'model') ?? configuration.model ?? 'model';
}

/** Options of every command that computes. */
export const engineOptions: Readonly<Record<string, OptionSpec>> = {
  backend: { type: 'string', value: 'NAME', help: 'onnx (default), tfjs-gpu or reference; TESSERAE_BACKEND does the same' },
  device: { type: 'string', value: 'NAME', help: 'cpu, webgpu, wasm, … as the backend offers' },
  threads: { type: 'string', value: 'N', help: 'threads inside one operator (default: one a core)' },
};

export function parseOptions(specs: Readonly<Record<string, OptionSpec>>): Options {
  return Object.fromEntries(
    Object.entries(specs).map(([name, { type, short, multiple }]) => [name, { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) }]),
  );
}

/** A text option. */
export function textOption(options: OptionValues, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

/** All values of an option that may be given several times, in order. */
export function textsOption(options: OptionValues, name: string): readonly string[] {
  const values = options[name];
  return Array.isArray(values) ? (values as readonly string[]) : [];
}

export interface NumberRange {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly integer?: boolean;
}

/** A number option, checked. @throws UsageError naming the option, the value and what is allowed. */
export function numberOption(options: OptionValues, name: string, range: NumberRange = {}): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY, integer = false } = range;
  if (text.trim() === '' || Number.isNaN(value) || value < minimum || value > maximum || (integer && !Number.isInteger(value))) {
    const bounds = [range.minimum === undefined ? '' : ` from ${minimum}`, range.maximum === undefined ? '' : ` up to ${maximum}`].join('');
    throw new UsageError(`--${name} ${text}: give a ${integer ? 'whole ' : ''}number${bounds}.`);
  }
  return value;
}

const prefixes: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 };

/** A number above 0 that may end in a decimal prefix: `200e9`, `200G`, `1.5T`. @throws UsageError. */
export function quantityOption(options: OptionValues, name: string): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const [, digits = '', prefix = ''] = /^(\d*\.?\d+(?:e[+-]?\d+)?)([kKMGTP]?)$/i.exec(text.trim()) ?? [];
  const value = Number(digits) * (prefixes[prefix] ?? Number.NaN);
  if (digits === '' || !(value > 0) || !Number.isFinite(value)) throw new UsageError(`--${name} ${text}: give a number above 0, e.g. 200e9 or 200G.`);
  return value;
}

/** A size in pixels, `512x320` or `256` for a square, of whole codes of `code` pixels. @throws UsageError with the nearest one that fits. */
export function sizeOption(options: OptionValues, name: string, code: number): PictureSize | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const [, first, second = first] = /^(\d+)(?:x(\d+))?$/.exec(text) ?? [];
  const size = { width: Number(first), height: Number(second) };
  const fits = (length: number): boolean => length > 0 && length % code === 0;
  if (fits(size.width) && fits(size.height)) return size;
  const nearest = (length: number): number => Math.max(1, Math.round(length / code)) * code;
  const hint = first === undefined ? 'give width and height, e.g. 512x320' : `give multiples of ${code}, e.g. ${nearest(size.width)}x${nearest(size.height)}`;
  throw new UsageError(`--${name} ${text}: ${hint}.`);
}

export function flag(options: OptionValues, name: string): boolean {
  return options[name] === true;
}
