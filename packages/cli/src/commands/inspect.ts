import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatShape, sizeOf, TesseraeError } from '@tesserae/core';
import { fileExists, openModelFolder, readSafetensorsHeader } from '@tesserae/core/node';
import { type Checkpoint, families, type MetadataValue, type PeerFile } from '@tesserae/importers';
import { openPeerFiles } from '@tesserae/importers/node';
import { type Command, flag, UsageError } from '../command.js';
import { megabytes, type Output } from '../terminal/output.js';

interface Described {
  readonly path: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly list: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  /** Of other systems' files: how they are written, and what can be made of them. */
  readonly format?: string;
  readonly kinds?: readonly string[];
}

function describeList(path: string, bytes: number, list: Described['list'], rest: Omit<Described, 'path' | 'bytes' | 'list' | 'tensors' | 'parameters'>): Described {
  return { path, bytes, tensors: list.length, parameters: list.reduce((sum, { shape }) => sum + sizeOf(shape), 0), list, ...rest };
}

async function describePart(path: string): Promise<Described> {
  const header = await readSafetensorsHeader(path);
  const list = Array.from(header.entries.values(), ({ name, dtype, shape }) => ({ name, dtype, shape }));
  return describeList(path, (await stat(path)).size, list, { metadata: header.metadata });
}

/** Metadata as JSON has it. What is long or deep is named by its size: hyperparameters are short. */
function plain(value: MetadataValue, depth = 0): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value === null || typeof value !== 'object') return typeof value === 'string' && value.length > 200 ? `${value.slice(0, 200)}…` : value;
  if (value instanceof Map) return value.size > 60 || depth > 3 ? `${value.size} entries` : Object.fromEntries(Array.from(value, ([key, item]) => [key, plain(item, depth + 1)]));
  if ('opaque' in value) return `(${String(value.opaque)})`;
  const items = value as readonly MetadataValue[];
  return items.length > 20 || depth > 3 ? `${items.length} values` : items.map((item) => plain(item, depth + 1));
}

async function describePeer({ path, checkpoint, weights }: PeerFile & { readonly path: string; readonly checkpoint: Checkpoint }): Promise<Described> {
  const files = new Set([path, ...checkpoint.tensors.map(({ file }) => file)]);
  let bytes = 0;
  for (const file of files) bytes += (await stat(file)).size;
  return describeList(
    path,
    bytes,
    checkpoint.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    {
      metadata: Object.fromEntries(Array.from(checkpoint.metadata, ([key, value]) => [key, plain(value)])),
      format: checkpoint.moduleClass === undefined ? checkpoint.format : `${checkpoint.format}, a whole ${checkpoint.moduleClass}`,
      kinds: families.filter((family) => family.recognises(weights)).map(({ name, title }) => `${name} (${title})`),
    },
  );
}

function print(output: Output, { part, described, config }: { readonly part: string; readonly described: Described; readonly config?: unknown }, listTensors: boolean): void {
  const { path, parameters, tensors, bytes, list, metadata, format, kinds } = described;
  output.print(`${part === '' ? '' : `${part}: `}${path}`);
  output.print(`  ${parameters.toLocaleString('en')} numbers in ${tensors} tensors, ${megabytes(bytes)}`);
  const types = new Map<string, number>();
  for (const { dtype } of list) types.set(dtype, (types.get(dtype) ?? 0) + 1);
  if (format !== undefined) output.print(`  ${format}; ${Array.from(types, ([dtype, count]) => `${count} ${dtype}`).join(', ')}`);
  if (kinds !== undefined) output.print(kinds.length === 0 ? '  of no kind that tesserae convert knows' : `  convertible as ${kinds.join(' or ')}`);
  if (config !== undefined) output.print(`  ${JSON.stringify(config)}`);
  for (const [key, value] of Object.entries(metadata)) output.print(`  ${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  if (listTensors) for (const { name, dtype, shape } of list) output.print(`  ${name}  ${dtype} ${formatShape(shape)}`);
}

export const inspectCommand: Command = {
  name: 'inspect',
  summary: "Tells what is in a model folder, or in another system's checkpoint, reading headers only and running nothing.",
  usage: 'inspect <model folder | checkpoint … | folder of checkpoints> [--tensors]',
  options: { tensors: { type: 'boolean', help: 'list every tensor' } },
  async run({ positionals, options, output, signal }) {
    const [path] = positionals;
    if (path === undefined) throw new UsageError('Name a model folder or a checkpoint.');
    await stat(path).catch((cause: unknown) => {
      throw new TesseraeError('file-missing', `${path} does not exist.`, { remedy: 'Check the path.', cause });
    });
    const files: { part: string; described: Described; config?: unknown }[] = [];
    if (await fileExists(join(path, 'model_index.json'))) {
      const model = await openModelFolder(path, { verify: false });
      for (const [part, { folder, sha256 }] of Object.entries(model.index.parts)) {
        if (sha256['model.safetensors'] === undefined) continue;
        files.push({ part, described: await describePart(join(path, folder, 'model.safetensors')), config: await model.readJson(part, 'config.json') });
      }
    } else {
      const { files: opened, remarks } = await openPeerFiles(positionals, { signal });
      for (const file of opened) files.push({ part: '', described: await describePeer(file) });
      for (const remark of remarks) output.note(remark);
    }
    for (const file of files) print(output, file, flag(options, 'tensors'));
    return { files };
  },
};
