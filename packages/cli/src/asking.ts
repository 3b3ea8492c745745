import { type Conditioning, type GenerateRequest, type ImagePrior, TesseraeError, type TextFeatures } from '@tesserae/core';
import { type Checkpoint, type CheckpointTensor, readArray } from '@tesserae/importers';
import { openCheckpointFile } from '@tesserae/importers/node';
import { numberOption, type OptionSpec, type OptionValues, textOption, UsageError } from './command.js';

/** How models that read no sentences are asked. */
export const askingOptions: Readonly<Record<string, OptionSpec>> = {
  class: { type: 'string', value: 'N', help: 'of models that know classes: the number of one, in place of a sentence' },
  features: {
    type: 'string',
    value: 'FILE',
    help: "of models that read features: a sentence as their encoder has read it, .npy [vectors, numbers] or .safetensors 'features' and, if any, 'mask'",
  },
};

/** The tensor that holds features, and the one that masks them. */
function tensorsOf({ format, tensors }: Checkpoint): { readonly features?: CheckpointTensor | undefined; readonly mask?: CheckpointTensor | undefined } {
  if (format === 'npy') return { features: tensors[0] };
  return { features: tensors.find(({ name }) => name === 'features'), mask: tensors.find(({ name }) => name === 'mask') };
}

/**
 * Reads features of a sentence: [vectors, width], or one such sentence of a batch, at most `length` vectors. Fewer stand at the end, and what is
 * free before them is not looked at, as LlamaGen pads captions.
 * @throws TesseraeError `prompt-invalid` for features of another shape, and as `openCheckpointFile`.
 */
export async function readTextFeatures(file: string, { length, width }: Conditioning & { readonly kind: 'features' }, signal?: AbortSignal): Promise<TextFeatures> {
  const options = signal === undefined ? {} : { signal };
  const { features, mask } = tensorsOf(await openCheckpointFile(file, options));
  const wanted = `1 to ${length} vectors of ${width} numbers`;
  const fail = (problem: string): never => {
    throw new TesseraeError('prompt-invalid', `${file} ${problem}; this model reads ${wanted}.`, { remedy: 'Make the features with the encoder that the model was trained with.' });
  };
  if (features === undefined) return fail("has no array, or none called 'features'");
  const shape = features.shape.length === 3 && features.shape[0] === 1 ? features.shape.slice(1) : features.shape;
  const [vectors = 0, numbers] = shape;
  if (shape.length !== 2 || numbers !== width || vectors < 1 || vectors > length) fail(`holds features of shape [${features.shape.join(', ')}]`);
  const { data, dtype } = await readArray(features, options);
  if (dtype !== 'float32') fail(`holds ${dtype} numbers`);
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) fail(`holds ${data[wrong]} at element ${wrong}`);
  const seen = mask === undefined ? new Uint8Array(vectors).fill(1) : Uint8Array.from((await readArray(mask, options)).data, (value) => (value === 0 ? 0 : 1));
  if (seen.length !== vectors) fail(`masks ${seen.length} of ${vectors} vectors`);
  const free = length - vectors;
  const [values, whole] = [new Float32Array(length * width), new Uint8Array(length)];
  values.set(data, free * width);
  whole.set(seen, free);
  return { values, mask: whole };
}

/** What a command line asks a prior: a sentence, a class, or features from a file. @throws UsageError for none, and for one that this prior does not know. */
export async function askedFor(
  { positionals, options }: { readonly positionals: readonly string[]; readonly options: OptionValues },
  prior: ImagePrior,
  signal: AbortSignal,
): Promise<Pick<GenerateRequest, 'prompt' | 'classLabel' | 'features'>> {
  const { conditioning = { kind: 'text' } } = prior;
  const prompt = positionals.join(' ');
  const [classLabel, file] = [numberOption(options, 'class', { minimum: 0, integer: true }), textOption(options, 'features')];
  const spoken = prompt.trim() === '' ? {} : { prompt };
  switch (conditioning.kind) {
    case 'text':
      if (classLabel !== undefined || file !== undefined) throw new UsageError('--class and --features: this model reads sentences.');
      return spoken;
    case 'class':
      if (classLabel === undefined) throw new UsageError(`This model knows classes: --class N, from 0 to ${conditioning.classes - 1}.`);
      return { ...spoken, classLabel };
    case 'features':
      if (file === undefined)
        throw new UsageError(`This model reads features of a sentence: --features FILE with up to ${conditioning.length} vectors of ${conditioning.width} numbers.`);
      return { ...spoken, features: await readTextFeatures(file, conditioning, signal) };
    default:
      return conditioning satisfies never;
  }
}

/** Whether a command line asks anything at all. */
export function asksSomething({ positionals, options }: { readonly positionals: readonly string[]; readonly options: OptionValues }): boolean {
  return positionals.join(' ').trim() !== '' || textOption(options, 'class') !== undefined || textOption(options, 'features') !== undefined;
}
