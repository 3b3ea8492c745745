import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TesseraeError } from '@tesserae/core';
import { missingFile } from '@tesserae/core/node';
import type { ReadOptions } from '../byte-source.js';
import type { PeerFile } from '../families/family.js';
import { peerFile } from '../peer-file.js';
import { parseYaml } from '../yaml.js';
import { openCheckpointFile } from './open-checkpoint-file.js';

/** What a folder's files must be called to be looked at; what they are, their bytes say. */
const weightFiles = /\.(pt|pth|ckpt|bin|pkl|safetensors|msgpack|npz)$/i;
const indexFiles = /\.index\.json$/i;
const settingsFiles = /^config\.json$|\.ya?ml$/i;
/** Settings are a page of text. */
const largestSettings = 1 << 20;

export interface OpenedPeer {
  readonly files: readonly (PeerFile & { readonly path: string })[];
  /** Settings files that lie beside the weights, by name. */
  readonly documents: ReadonlyMap<string, unknown>;
  /** Why a settings file was not read, as sentences. */
  readonly remarks: readonly string[];
}

async function filesAt(path: string): Promise<{ readonly folder: string; readonly weights: readonly string[]; readonly settings: readonly string[] }> {
  const isFolder = (await stat(path).catch((cause: unknown) => missingFile(path, cause))).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const entries = (await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => missingFile(folder, cause)))
    .flatMap((entry) => (entry.isFile() ? [entry.name] : []))
    .sort();
  // Indices first: the shards they name are no files of their own.
  const weights = isFolder ? [...entries.filter((name) => indexFiles.test(name)), ...entries.filter((name) => weightFiles.test(name))] : [basename(path)];
  if (weights.length === 0) {
    throw new TesseraeError('file-missing', `${path} holds no checkpoint.`, {
      remedy: 'Name a file, or a folder with .pt, .ckpt, .pkl, .safetensors, .msgpack or the like in it.',
    });
  }
  return { folder, weights, settings: entries.filter((name) => settingsFiles.test(name) && !weights.includes(name)) };
}

async function readSettings(path: string): Promise<unknown> {
  if ((await stat(path)).size > largestSettings)
    throw new TesseraeError('file-unsafe', `${path} is larger than ${largestSettings} bytes.`, { remedy: 'Settings are a page of text.' });
  const text = await readFile(path, 'utf8');
  return path.endsWith('.json') ? (JSON.parse(text) as unknown) : parseYaml(text, path);
}

/**
 * Opens a peer's files, or all those of a folder, and what lies beside them to say what they are. Headers are read only.
 * @throws TesseraeError `file-missing`, and as `openCheckpoint`.
 */
export async function openPeerFiles(paths: readonly string[], options: ReadOptions = {}): Promise<OpenedPeer> {
  const files: (PeerFile & { path: string })[] = [];
  const documents = new Map<string, unknown>();
  const remarks: string[] = [];
  const seen = new Set<string>();
  for (const given of paths) {
    const { folder, weights, settings } = await filesAt(given);
    for (const name of weights) {
      const path = join(folder, name);
      if (seen.has(path)) continue;
      seen.add(path);
      const checkpoint = await openCheckpointFile(path, options);
      for (const { file } of checkpoint.tensors) if (checkpoint.format === 'sharded') seen.add(file);
      files.push({ ...peerFile(name, checkpoint), path });
    }
    for (const name of settings) {
      if (documents.has(name)) continue;
      try {
        documents.set(name, await readSettings(join(folder, name)));
      } catch (cause) {
        remarks.push(`${name} was not read: ${cause instanceof Error ? cause.message : String(cause)}`);
      }
    }
  }
  return { files, documents, remarks };
}
