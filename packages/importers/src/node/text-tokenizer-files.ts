import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { TesseraeError } from '@tesserae/core';
import { missingFile } from '@tesserae/core/node';
import type { TextTokenizerSource } from '../text-tokenizers.js';

/** Unpacked; the largest published tokenizers of this kind have a fifth of it. */
const largestTokenizer = 64 << 20;

const isClip = /^bpe_simple_vocab.*\.txt(\.gz)?$/i;
const isVocabulary = /(^|[-_.])vocab\.json$/i;

export type FoundTextTokenizer = TextTokenizerSource & { readonly paths: readonly string[] };

async function readText(path: string): Promise<string> {
  const { size } = await stat(path).catch((cause: unknown) => missingFile(path, cause));
  const tooLarge = (): never => {
    throw new TesseraeError('file-unsafe', `${path} is larger than ${largestTokenizer} bytes.`, { remedy: 'Text tokenizers are a few megabytes.' });
  };
  if (size > largestTokenizer) tooLarge();
  const bytes = await readFile(path).catch((cause: unknown) => missingFile(path, cause));
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString('utf8');
  try {
    return (await promisify(gunzip)(bytes, { maxOutputLength: largestTokenizer })).toString('utf8');
  } catch (cause) {
    if (cause instanceof RangeError) return tooLarge();
    throw new TesseraeError('file-corrupt', `${path} cannot be unpacked.`, { remedy: 'Get the file again.', cause });
  }
}

async function readVocabulary(path: string): Promise<FoundTextTokenizer> {
  const merges = join(dirname(path), basename(path).replace(/vocab\.json$/i, 'merges.txt'));
  return { kind: 'vocabulary', name: basename(path), vocabulary: await readText(path), merges: await readText(merges), paths: [path, merges] };
}

async function readOne(path: string): Promise<FoundTextTokenizer> {
  const name = basename(path);
  if (isVocabulary.test(name)) return readVocabulary(path);
  const text = await readText(path);
  return { kind: isClip.test(name) || !text.trimStart().startsWith('{') ? 'clip' : 'tokenizer.json', name, text, paths: [path] };
}

const filesIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { withFileTypes: true }).catch(() => [])).flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort();

/** The text tokenizers of a folder: of its own, and of a folder `tokenizer` in it, as minDALL-E has. */
async function readFolder(folder: string): Promise<FoundTextTokenizer[]> {
  const found: FoundTextTokenizer[] = [];
  for (const place of [folder, join(folder, 'tokenizer')]) {
    const names = await filesIn(place);
    const wanted = names.filter(
      (name) => name === 'tokenizer.json' || isClip.test(name) || (isVocabulary.test(name) && names.includes(name.replace(/vocab\.json$/i, 'merges.txt'))),
    );
    for (const name of wanted) found.push(await readOne(join(place, name)));
  }
  return found;
}

/**
 * The text tokenizer at a path: a `tokenizer.json`, CLIP's vocabulary, a `vocab.json` with its `merges.txt` beside it, or a folder with one of them.
 * @throws TesseraeError `file-missing`, `file-unsafe` (too large), `file-corrupt`.
 */
export async function textTokenizersAt(path: string): Promise<readonly FoundTextTokenizer[]> {
  if (!(await stat(path).catch((cause: unknown) => missingFile(path, cause))).isDirectory()) return [await readOne(path)];
  const found = await readFolder(path);
  if (found.length > 0) return found;
  throw new TesseraeError('file-missing', `${path} holds no text tokenizer.`, {
    remedy: 'Name a tokenizer.json, a vocab.json with its merges.txt beside it, or bpe_simple_vocab_16e6.txt.gz.',
  });
}

/** Those that lie beside checkpoints. */
export async function textTokenizersBeside(paths: readonly string[]): Promise<readonly FoundTextTokenizer[]> {
  const folders = new Set<string>();
  for (const path of paths) folders.add((await stat(path).catch((cause: unknown) => missingFile(path, cause))).isDirectory() ? path : dirname(path));
  return (await Promise.all([...folders].map(readFolder))).flat();
}
