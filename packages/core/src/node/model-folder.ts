import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { WeightSource } from '../backend/index.js';
import { TesseraeError } from '../errors/index.js';
import type { HostArray } from '../tensor/index.js';
import { type EncodeSafetensorsOptions, encodeSafetensors, type ModelIndex, type ModelPart, parseModelIndex } from '../weights/index.js';
import { writeFileAtomically } from './atomic-file.js';
import { sha256OfFile, writeHashedFile } from './file-hash.js';
import { missingFile } from './missing-file.js';
import { forgetProgress, writeResumableFile } from './resumable-file.js';
import { fileExists, openSafetensorsFile, type StreamedTensor, streamSafetensors } from './safetensors-file.js';

const indexName = 'model_index.json';

/** Reads and parses a JSON file. @throws TesseraeError `file-missing` or `file-corrupt`. */
export async function readJsonFile(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    return missingFile(path, cause);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new TesseraeError('file-corrupt', `${path} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      remedy: 'Get the file again, or mend it by hand.',
      cause,
    });
  }
}

type WeightsContent =
  | ({ readonly arrays: ReadonlyMap<string, HostArray> } & EncodeSafetensorsOptions)
  /** `resumable`: the file goes on where an interrupted writing of the same tensors left it (`writeResumableFile`). */
  | { readonly tensors: readonly StreamedTensor[]; readonly resumable?: boolean };

const weightsName = 'model.safetensors';

/** A part to be written: a configuration, weights, or any other JSON files. */
export interface ModelPartContent {
  readonly folder: string;
  readonly files: Readonly<Record<string, unknown>>;
  readonly weights?: WeightsContent & { readonly metadata?: Readonly<Record<string, string>> };
}

/** A part that another model folder has, taken over as it is. */
export interface CopiedModelPart {
  readonly copiedFrom: OpenedModel;
}

async function readIndex(folder: string): Promise<ModelIndex> {
  const path = join(folder, indexName);
  if (!(await fileExists(path))) {
    throw new TesseraeError('file-missing', `${folder} is no model folder: it has no ${indexName}.`, { remedy: 'Give a folder that `tesserae train` wrote.' });
  }
  return parseModelIndex(await readJsonFile(path), path);
}

/** Copies a part's files. @throws TesseraeError `model-incompatible` without the part, `file-corrupt` when a file is not what its index says. */
async function copyPart(from: OpenedModel, name: string, to: string): Promise<ModelPart> {
  const part = partOf(from.folder, from.index, name);
  for (const [file, expected] of Object.entries(part.sha256)) {
    const source = join(from.folder, part.folder, file);
    if (basename(file) !== file || !(await fileExists(source))) return missingFile(source, { code: 'ENOENT' });
    if ((await writeHashedFile(join(to, part.folder, file), createReadStream(source, { highWaterMark: 1 << 20 }))) !== expected) damaged(source);
  }
  return part;
}

function partOf(folder: string, index: ModelIndex, name: string): ModelPart {
  const part = index.parts[name];
  if (part !== undefined) return part;
  throw new TesseraeError('model-incompatible', `${folder} has no part '${name}', only ${Object.keys(index.parts).join(', ') || 'none'}.`, {
    remedy: `Train it: tesserae train … --out ${folder}.`,
  });
}

function damaged(path: string): never {
  throw new TesseraeError('file-corrupt', `${path} is not the file the model was written with: its hash differs.`, { remedy: 'Get the model again.' });
}

/**
 * Adds or replaces parts of a model folder. Files are written one by one, each atomically, the index last: a model is
 * never half new without its index saying so (the hashes would not fit).
 */
export async function writeModelParts(
  folder: string,
  parts: Readonly<Record<string, ModelPartContent | CopiedModelPart>>,
  provenance: Readonly<Record<string, string>> = {},
): Promise<ModelIndex> {
  const before = (await fileExists(join(folder, indexName))) ? await readIndex(folder) : undefined;
  const written: Record<string, ModelPart> = { ...before?.parts };
  for (const [name, part] of Object.entries(parts)) {
    if ('copiedFrom' in part) {
      written[name] = await copyPart(part.copiedFrom, name, folder);
      continue;
    }
    const hashes: Record<string, string> = {};
    const write = async (file: string, pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> => {
      hashes[file] = await writeHashedFile(join(folder, part.folder, file), pieces);
    };
    for (const [file, content] of Object.entries(part.files)) await write(file, [new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`)]);
    const { weights } = part;
    if (weights !== undefined) {
      if ('arrays' in weights) await write(weightsName, encodeSafetensors(weights.arrays, weights.metadata, weights));
      else if (weights.resumable !== true) await write(weightsName, streamSafetensors(weights.tensors, weights.metadata));
      else {
        const pieces = (from: number): AsyncIterable<Uint8Array> => streamSafetensors(weights.tensors, weights.metadata, from);
        hashes[weightsName] = await writeResumableFile(join(folder, part.folder, weightsName), pieces);
      }
    }
    written[name] = { folder: part.folder, sha256: hashes };
  }
  const index: ModelIndex = { formatVersion: 1, parts: written, provenance: { ...before?.provenance, ...provenance } };
  await writeFileAtomically(join(folder, indexName), `${JSON.stringify(index, null, 2)}\n`);
  for (const part of Object.values(parts)) {
    if (!('copiedFrom' in part) && part.weights !== undefined && 'resumable' in part.weights) await forgetProgress(join(folder, part.folder, weightsName));
  }
  return index;
}

/** A model folder that was opened. */
export interface OpenedModel {
  readonly folder: string;
  readonly index: ModelIndex;
  /** A JSON file of a part, its hash checked. @throws TesseraeError when the part or the file is missing or damaged. */
  readJson(part: string, file: string): Promise<unknown>;
  /** A part's weights, their hash checked unless `verify` is false. */
  openWeights(part: string): Promise<WeightSource & { readonly metadata: Readonly<Record<string, string>> }>;
}

/** Opens a model folder: reads the index only. `verify: false` skips hashing (of large weights that are to be mapped). */
export async function openModelFolder(folder: string, options: { readonly verify?: boolean } = {}): Promise<OpenedModel> {
  const { verify = true } = options;
  const index = await readIndex(folder);
  const locate = (name: string, file: string): { path: string; expected: string | undefined } => {
    const part = partOf(folder, index, name);
    return { path: join(folder, part.folder, file), expected: part.sha256[file] };
  };
  const check = async (path: string, expected: string | undefined): Promise<void> => {
    if (!verify || expected === undefined) return;
    if ((await sha256OfFile(path)) !== expected) damaged(path);
  };
  return {
    folder,
    index,
    async readJson(part, file) {
      const { path, expected } = locate(part, file);
      await check(path, expected);
      return readJsonFile(path);
    },
    async openWeights(part) {
      const { path, expected } = locate(part, weightsName);
      await check(path, expected);
      return openSafetensorsFile(path);
    },
  };
}
