import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BackendChoice, type SamplingPlugin, TesseraeError } from '@tesserae/core';
import { fileExists } from '@tesserae/core/node';
import type { LoadedModel } from './model.js';

/** What a project says once, instead of with every command. */
export interface TesseraeConfiguration {
  /** The backend where neither `--backend` nor TESSERAE_BACKEND names one: `'onnx'`, `{ name: 'tfjs-gpu', device: 'wasm' }`, an instance, or a list to try. */
  readonly backend?: BackendChoice;
  /** The model folder where `--model` names none. Relative to the folder the command runs in. */
  readonly model?: string;
  /** Plugins `generate` samples with, before those of its own options. A function is given the loaded model. */
  readonly plugins?: readonly SamplingPlugin[] | ((model: LoadedModel) => readonly SamplingPlugin[]);
}

/**
 * Gives a configuration back as it is: for its type.
 * @example `tesserae.config.ts`:
 * ```ts
 * import { defineConfig } from '@tesserae/cli';
 *
 * export default defineConfig({ backend: { name: 'tfjs-gpu', device: 'webgpu' }, model: './my-model' });
 * ```
 */
export function defineConfig(configuration: TesseraeConfiguration): TesseraeConfiguration {
  return configuration;
}

/** Looked for in this order in the folder a command runs in. */
export const configurationFiles = [
  'tesserae.config.ts',
  'tesserae.config.mts',
  'tesserae.config.js',
  'tesserae.config.mjs',
  'tesserae.config.cjs',
  'tesserae.config.json',
] as const;

const isPlugin = (value: unknown): boolean => typeof value === 'object' && value !== null && 'specificationVersion' in value;

/** @throws TesseraeError `invalid-argument` naming the field. */
export function parseConfiguration(source: unknown, file: string): TesseraeConfiguration {
  const fail = (problem: string, remedy: string): never => {
    throw new TesseraeError('invalid-argument', `${file} ${problem}.`, { remedy, details: { file } });
  };
  if (typeof source !== 'object' || source === null || Array.isArray(source)) return fail('exports no object', 'Write `export default { backend: … }`.');
  const { backend, model, plugins, ...rest } = source as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) fail(`sets the unknown field '${unknown}'`, 'It may set backend, model and plugins.');
  if (backend !== undefined && typeof backend !== 'string' && (typeof backend !== 'object' || backend === null))
    fail(`sets backend to ${String(backend)}`, 'Use a name, { name, device }, a backend or a list of these.');
  if (model !== undefined && typeof model !== 'string') fail(`sets model to ${String(model)}`, 'Name a folder.');
  if (plugins !== undefined && typeof plugins !== 'function' && !(Array.isArray(plugins) && plugins.every(isPlugin)))
    fail('sets plugins to something that is no list of plugins', 'Use what plugin factories give, e.g. [tiling({ canvas })], or a function from the model to such a list.');
  return source as TesseraeConfiguration;
}

/** The configuration of a project, TypeScript included; empty where there is no such file. `named` is a file to read instead. */
export async function readConfiguration(folder: string, named?: string): Promise<TesseraeConfiguration> {
  const file = named === undefined ? await firstThatExists(configurationFiles.map((name) => resolve(folder, name))) : resolve(folder, named);
  if (file === undefined) return {};
  if (named !== undefined && (await firstThatExists([file])) === undefined)
    throw new TesseraeError('file-missing', `There is no file ${named}.`, { remedy: 'Name an existing configuration with --config.', details: { file: named } });
  let loaded: unknown;
  try {
    // A project's own code, run because the project asks for it; jiti reads TypeScript on every Node this package supports. Loaded only here: it is a
    // quarter of what a command takes to start.
    const { createJiti } = await import('jiti');
    loaded = await createJiti(pathToFileURL(`${folder}/`).href, { moduleCache: false, fsCache: false }).import(file, { default: true });
  } catch (cause) {
    throw new TesseraeError('invalid-argument', `${file} could not be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      remedy: 'Correct it, or move it away.',
      cause,
      details: { file },
    });
  }
  return parseConfiguration(loaded, file);
}

async function firstThatExists(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) if (await fileExists(file)) return file;
  return undefined;
}
