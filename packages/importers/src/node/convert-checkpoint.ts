import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { isTesseraeError, sizeOf, TesseraeError } from '@tesserae/core';
import { type OpenedModel, openModelFolder, sha256OfFile, writeModelParts } from '@tesserae/core/node';
import { parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { parsePriorConfiguration } from '@tesserae/transformer';
import type { ReadOptions } from '../byte-source.js';
import { elementBytes } from '../element-type.js';
import type { PartName } from '../families/family.js';
import { withPaddingToken } from '../padding-token.js';
import { type PlannedPart, planConversion } from '../plan-conversion.js';
import { type FloatType, plannedBytes, plannedPieces, writtenType } from '../tensor-bytes.js';
import { planTextTokenizers } from '../text-tokenizers.js';
import { beginConversion, conversionIdentity, finishConversion } from './conversion-under-way.js';
import { openPeerFiles } from './peer-files.js';
import { textTokenizersAt, textTokenizersBeside } from './text-tokenizer-files.js';

export interface ConvertOptions extends ReadOptions {
  /** The model folder to write. It must not exist yet, or be empty, unless `replace` is set. */
  readonly out: string;
  /** The name of a family, in place of recognising it. */
  readonly family?: string | undefined;
  /** What no file says of the model, by the names of its configuration: wins over what is read. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Casts all weights. Default: half precision stays, everything else becomes float32. */
  readonly floats?: FloatType | undefined;
  readonly replace?: boolean;
  /** Where the text tokenizer of a prior or of CLIP is (`textTokenizersAt`). Default: what lies beside the checkpoint, if it fits. */
  readonly textTokenizer?: string | undefined;
  /** A model folder whose image tokenizer the model takes over, where the checkpoint has a prior only. */
  readonly imageTokenizer?: string | undefined;
  /** Called after every tensor, and within large ones. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number; readonly tensor: string }) => void;
}

export interface ConvertedPart extends Pick<PlannedPart, 'part' | 'family' | 'configuration' | 'ignored' | 'assumed'> {
  readonly parameters: number;
  readonly tensorsUsed: number;
  /** `float32`, `float16`, or both. */
  readonly dtype: string;
  readonly sourceBytes: number;
  readonly bytes: number;
  /** SHA-256 of the part's `model.safetensors`. */
  readonly sha256: string;
}

export interface ConversionReport {
  readonly out: string;
  readonly parts: readonly ConvertedPart[];
  /** Parts that came with no tensors of their own: text tokenizers, and an image tokenizer taken over. */
  readonly taken: readonly { readonly part: PartName; readonly from: string; readonly what: string }[];
  readonly sources: readonly { readonly file: string; readonly bytes: number; readonly sha256: string }[];
  /** Bytes of the sources' tensors that an interrupted run had done already. */
  readonly resumed: number;
  /** Worth knowing, as sentences. */
  readonly remarks: readonly string[];
}

/** Where each part lies in a model folder, as `tesserae train` writes it. */
const partFolders: Readonly<Record<PartName, string>> = { imageTokenizer: 'image-tokenizer', prior: 'prior', textTokenizer: 'text-tokenizer', scorer: 'scorer' };

async function checkTarget(out: string, replace: boolean): Promise<void> {
  const isAbsent = (cause: unknown): boolean => typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ENOENT';
  const entries = await readdir(out).catch((cause: unknown): string[] | undefined => (isAbsent(cause) ? [] : undefined));
  if (entries === undefined) throw new TesseraeError('invalid-argument', `${out} is no folder.`, { remedy: 'Choose another --out.' });
  if (entries.length > 0 && !replace)
    throw new TesseraeError('invalid-argument', `${out} is not empty.`, { remedy: 'Choose another --out, or allow it to be replaced: --replace.' });
  if (entries.length > 0 && !entries.includes('model_index.json'))
    throw new TesseraeError('invalid-argument', `${out} is no model folder, and is not replaced.`, { remedy: 'Choose another --out.' });
}

/** The model whose image tokenizer is taken over. @throws TesseraeError when there is one already, or the prior makes other codes. */
async function imageTokenizerFrom(folder: string, planned: readonly PlannedPart[]): Promise<OpenedModel> {
  if (planned.some(({ part }) => part === 'imageTokenizer'))
    throw new TesseraeError('invalid-argument', `${folder} was given for its image tokenizer, but these files hold one.`, { remedy: 'Leave --image-tokenizer out.' });
  const model = await openModelFolder(folder);
  const { codebookSize } = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
  const prior = planned.find(({ part }) => part === 'prior');
  const wanted = prior === undefined ? codebookSize : parsePriorConfiguration(prior.configuration).codebookSize;
  if (codebookSize !== wanted)
    throw new TesseraeError('model-incompatible', `The prior makes ${wanted} codes, the image tokenizer of ${folder} has ${codebookSize}.`, {
      remedy: 'Give the image tokenizer that the prior was trained with.',
    });
  return model;
}

/** Puts a finished folder in its place; the one that was there before goes only when the new one stands. */
async function putInPlace(made: string, out: string): Promise<void> {
  const before = `${out}.before`;
  await rm(before, { recursive: true, force: true });
  const replaced = await rename(out, before).then(
    () => true,
    () => false,
  );
  try {
    await rename(made, out);
  } catch (cause) {
    if (replaced) await rename(before, out);
    throw new TesseraeError('file-write-failed', `${out} could not be put in place: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      remedy: 'Check the folder.',
      cause,
    });
  }
  await rm(before, { recursive: true, force: true });
}

/**
 * Turns a peer's checkpoint, in one file or several or in a folder, into a model folder. Tensors pass one by one, so that
 * memory is bounded by the largest. Everything is written to `<out>.partial`, which takes its place when it is whole: after
 * an interruption nothing is in place, and the same conversion goes on where it was; another one starts cleanly. Nothing found in the files is ever run.
 *
 * @throws TesseraeError `file-unsafe`, `file-corrupt`, `file-missing`, `model-incompatible` (no known family, or not exactly
 * its tensors), `numerical-failure` (a weight that is not finite, or beyond half precision), `file-write-failed`, `invalid-argument`.
 */
export async function convertCheckpoint(paths: readonly string[], options: ConvertOptions): Promise<ConversionReport> {
  const { family, settings, floats, onProgress, replace = false } = options;
  const out = resolve(options.out);
  await checkTarget(out, replace);
  const stopped = new AbortController();
  const signal = options.signal === undefined ? stopped.signal : AbortSignal.any([options.signal, stopped.signal]);
  const { files, documents, remarks } = await openPeerFiles(paths, { signal });
  const recognised = planConversion(files, { family, documents, ...(settings === undefined ? {} : { settings }) });
  const { textTokenizer, imageTokenizer } = options;
  const textSources = await (textTokenizer === undefined ? textTokenizersBeside(paths) : textTokenizersAt(textTokenizer));
  const texts = planTextTokenizers(recognised, textSources, textTokenizer !== undefined);
  const ownText = texts.tokenizers.get('prior');
  const planned = withPaddingToken(recognised, ownText?.files['tokenizer.json'], settings);
  const joined = imageTokenizer === undefined ? undefined : await imageTokenizerFrom(imageTokenizer, planned);
  const taken: ConversionReport['taken'] = [
    ...Array.from(texts.tokenizers, ([part, { source, vocabularySize }]) => ({
      part: part === 'prior' ? ('textTokenizer' as const) : part,
      from: source,
      what: `a text tokenizer of ${vocabularySize} tokens`,
    })),
    ...(joined === undefined ? [] : [{ part: 'imageTokenizer' as const, from: joined.folder, what: 'its image tokenizer' }]),
  ];
  const total = planned.reduce((sum, { tensors }) => sum + tensors.reduce((all, { source }) => all + source.byteLength, 0), 0);

  const scorerText = texts.tokenizers.get('scorer')?.files['tokenizer.json'];
  const used = new Set(Array.from(texts.tokenizers.values(), ({ source }) => source));
  const sourcePaths = new Set([
    ...files.flatMap(({ path, checkpoint }) => [path, ...checkpoint.tensors.map(({ file }) => file)]),
    ...textSources.flatMap(({ name, paths: own }) => (used.has(name) ? own : [])),
  ]);
  const partial = `${out}.partial`;
  await beginConversion(partial, await conversionIdentity(planned, floats, sourcePaths));
  let done = 0;
  let resumed = 0;
  const write = () =>
    writeModelParts(partial, {
      ...(ownText === undefined ? {} : { textTokenizer: { folder: partFolders.textTokenizer, files: ownText.files } }),
      ...(joined === undefined ? {} : { imageTokenizer: { copiedFrom: joined } }),
      ...Object.fromEntries(
        planned.map(({ part, family: from, configuration, tensors }) => [
          part,
          {
            folder: partFolders[part],
            files: { 'config.json': configuration, ...(part === 'scorer' && scorerText !== undefined ? { 'tokenizer.json': scorerText } : {}) },
            weights: {
              resumable: true,
              metadata: { format: 'pt', convertedFrom: from, sources: files.map(({ name }) => name).join(', ') },
              tensors: tensors.map((tensor) => {
                const dtype = writtenType(tensor.source, floats);
                const pieces = plannedPieces(tensor, dtype, { signal });
                const count = (bytes: number): void => {
                  done += bytes;
                  onProgress?.({ done, total, tensor: tensor.path });
                };
                return {
                  name: tensor.path,
                  shape: tensor.shape,
                  dtype,
                  skipped() {
                    resumed += tensor.source.byteLength;
                    count(tensor.source.byteLength);
                  },
                  async read() {
                    signal.throwIfAborted();
                    const bytes = await plannedBytes(tensor, dtype, { signal });
                    count(tensor.source.byteLength);
                    return bytes;
                  },
                  ...(pieces === undefined
                    ? {}
                    : {
                        async *pieces() {
                          for await (const piece of pieces()) {
                            count(piece.length);
                            yield piece;
                          }
                        },
                      }),
                };
              }),
            },
          },
        ]),
      ),
    });
  const hashSources = async () => {
    const sources: { file: string; bytes: number; sha256: string }[] = [];
    for (const path of sourcePaths) {
      const { size: bytes } = await stat(path);
      sources.push({ file: basename(path), bytes, sha256: await sha256OfFile(path, { signal }) });
    }
    return sources;
  };
  try {
    const hashing = hashSources();
    const [sources] = await Promise.all([hashing, write()]).catch(async (cause: unknown) => {
      stopped.abort(cause);
      await hashing.catch(() => undefined);
      throw cause;
    });
    const index = await writeModelParts(
      partial,
      {},
      {
        convertedFrom: planned.map((part) => part.family).join(', '),
        ...Object.fromEntries(sources.map(({ file, sha256 }) => [`sha256 of ${file}`, sha256])),
      },
    );
    signal.throwIfAborted();
    const parts = await Promise.all(
      planned.map(async ({ part, family: from, configuration, tensors, ignored, assumed }): Promise<ConvertedPart> => {
        const { folder, sha256 } = index.parts[part] ?? { folder: '', sha256: {} };
        const types = new Set(tensors.map(({ source }) => (writtenType(source, floats) === 'F16' ? 'float16' : 'float32')));
        return {
          part,
          family: from,
          configuration,
          ignored,
          assumed,
          parameters: tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
          tensorsUsed: tensors.length,
          dtype: [...types].join(' and '),
          sourceBytes: tensors.reduce((sum, { source, shape }) => sum + sizeOf(shape) * elementBytes[source.dtype], 0),
          bytes: (await stat(join(partial, folder, 'model.safetensors'))).size,
          sha256: sha256['model.safetensors'] ?? '',
        };
      }),
    );
    await finishConversion(partial);
    await putInPlace(partial, out);
    return { out: options.out, parts, taken, sources, resumed, remarks: [...remarks, ...texts.remarks] };
  } catch (cause) {
    // Stopped, or out of space: what is there is right, and the next run needs it. Of what was refused nothing is.
    const isWorthKeeping = options.signal?.aborted === true || (isTesseraeError(cause) && cause.code === 'file-write-failed');
    if (!isWorthKeeping) await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw cause;
  }
}
