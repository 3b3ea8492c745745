import { TesseraeError } from '@tesserae/core';
import type { ByteSource, ReadOptions } from './byte-source.js';
import { type Checkpoint, type CheckpointTensor, type MetadataValue, stateDictionary } from './checkpoint.js';
import { refuseDamaged, refuseUnsafe } from './refusal.js';

/** Opens a file beside the index, by its name alone. */
export type SiblingOpener = (name: string) => Promise<ByteSource>;

const largestIndex = 16 << 20;
const mostShards = 1_000;

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function plain(value: unknown): MetadataValue {
  return value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * A checkpoint in several files, joined by a `*.index.json` of the form {"weight_map": {tensor: file}}.
 * @throws TesseraeError `file-corrupt` when index and files disagree, `file-unsafe` when it names a file elsewhere,
 * `invalid-argument` when there is no way to open its neighbours.
 */
export async function openSharded(
  source: ByteSource,
  sibling: SiblingOpener | undefined,
  openShard: (source: ByteSource) => Promise<Checkpoint>,
  options: ReadOptions = {},
): Promise<Checkpoint> {
  if (source.size > largestIndex) return refuseUnsafe(source.name, `it is an index of the size ${source.size}; at most ${largestIndex} are read`);
  let index: unknown;
  try {
    index = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await source.read(0, source.size, options)));
  } catch (cause) {
    if (!(cause instanceof SyntaxError) && !(cause instanceof TypeError)) throw cause;
    return refuseDamaged(source.name, 'it starts like JSON but is not');
  }
  if (!isTable(index) || !isTable(index.weight_map)) return refuseDamaged(source.name, "it is JSON, but not an index of shards: it has no 'weight_map'");
  if (sibling === undefined) {
    throw new TesseraeError('invalid-argument', `${source.name} is the index of a checkpoint in several files.`, { remedy: 'Pass `sibling`, which opens the files it names.' });
  }
  const files = new Map<string, string[]>();
  for (const [tensor, file] of Object.entries(index.weight_map)) {
    if (typeof file !== 'string' || file === '') return refuseDamaged(source.name, `it names no file for tensor '${tensor}'`);
    if (/[/\\\0:]/.test(file) || file === '.' || file === '..')
      return refuseUnsafe(source.name, `it looks for tensor '${tensor}' in ${JSON.stringify(file.slice(0, 200))}, which is not beside it`);
    const names = files.get(file);
    if (names === undefined) files.set(file, [tensor]);
    else names.push(tensor);
  }
  if (files.size > mostShards) return refuseUnsafe(source.name, `it names ${files.size} files; at most ${mostShards} are opened`);
  const tensors: CheckpointTensor[] = [];
  for (const [file, names] of files) {
    options.signal?.throwIfAborted();
    const shard = stateDictionary(await openShard(await sibling(file)));
    const expected = new Set(names);
    const extra = [...shard.keys()].find((name) => !expected.has(name));
    if (extra !== undefined) return refuseDamaged(source.name, `it does not know the tensor '${extra}' of ${file}`);
    for (const name of names) {
      const tensor = shard.get(name) ?? refuseDamaged(source.name, `tensor '${name}' is not in ${file}`);
      tensors.push({ ...tensor, name, path: [name], storage: `${file}/${tensor.storage}` });
    }
  }
  const metadata = isTable(index.metadata) ? Object.entries(index.metadata).map(([key, value]) => [key, plain(value)] as const) : [];
  return { format: 'sharded', tensors, metadata: new Map(metadata) };
}
