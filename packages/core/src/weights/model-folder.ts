import { TesseraeError } from '../errors/index.js';

/** What `model_index.json` says. */
export interface ModelIndex {
  readonly formatVersion: 1;
  /** Part name (`imageTokenizer`, `prior`, `textTokenizer`) → its folder and what it is. */
  readonly parts: Readonly<Record<string, ModelPart>>;
  /** Where the model comes from: anything worth keeping, as text. */
  readonly provenance?: Readonly<Record<string, string>>;
}

export interface ModelPart {
  readonly folder: string;
  /** SHA-256 of each file of the part, by file name, as hexadecimal text. */
  readonly sha256: Readonly<Record<string, string>>;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Checks what a `model_index.json` holds. Folders must be plain names: an index cannot point out of its model. */
export function parseModelIndex(source: unknown, file: string): ModelIndex {
  const fail = (problem: string): never => {
    throw new TesseraeError('file-corrupt', `${file}: ${problem}.`, { remedy: 'Use a model folder written by tesserae.' });
  };
  if (!isRecord(source) || !isRecord(source.parts)) return fail('it is no model index');
  if (source.formatVersion !== 1) return fail(`its formatVersion is ${JSON.stringify(source.formatVersion)}, not 1`);
  const parts: Record<string, ModelPart> = {};
  for (const [name, part] of Object.entries(source.parts)) {
    if (!isRecord(part) || typeof part.folder !== 'string' || !/^[\w-]+$/.test(part.folder)) return fail(`part '${name}' names no folder`);
    const hashes = part.sha256 ?? {};
    if (!isRecord(hashes) || Object.values(hashes).some((hash) => typeof hash !== 'string')) return fail(`part '${name}' has no table of hashes`);
    parts[name] = { folder: part.folder, sha256: hashes as Record<string, string> };
  }
  const provenance = isRecord(source.provenance) ? Object.fromEntries(Object.entries(source.provenance).map(([key, value]) => [key, String(value)])) : undefined;
  return { formatVersion: 1, parts, ...(provenance === undefined ? {} : { provenance }) };
}
