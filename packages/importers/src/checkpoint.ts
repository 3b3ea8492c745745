import { decodeSafetensor, type HostArray, type Shape, TesseraeError } from '@tesserae/core';
import type { ReadOptions } from './byte-source.js';
import type { ElementType } from './element-type.js';

/** Kinds of files that are read, told apart by their bytes. */
export type CheckpointFormat = 'pytorch' | 'pytorch-legacy' | 'torchscript' | 'pickle' | 'safetensors' | 'sharded' | 'npy' | 'npz' | 'flax-msgpack';

/** One tensor of a file. Nothing of its data is in memory until it is read. */
export interface CheckpointTensor {
  /** The path's parts, joined by `.` (by `/` in Flax files, as there). */
  readonly name: string;
  /** The file it lies in, for messages. */
  readonly file: string;
  /** From the root of the file: keys of dictionaries, names of modules, positions in lists. */
  readonly path: readonly string[];
  readonly shape: Shape;
  readonly dtype: ElementType;
  /** Bytes that `read` gives: elements × width. */
  readonly byteLength: number;
  /** Names what holds the data inside the file: equal for tensors that share it (tied weights). */
  readonly storage: string;
  /** Row-major, little-endian bytes, whatever the file's layout. @throws TesseraeError `file-corrupt`. */
  read(options?: ReadOptions): Promise<Uint8Array>;
  /** Part of those bytes, where they lie in the file as they are: large tensors need not be in memory whole. */
  readonly readRange?: (byteOffset: number, length: number, options?: ReadOptions) => Promise<Uint8Array>;
  /** All of them in pieces, likewise; a piece holds until the next but one is asked for. Damage may be found at the end only. */
  readonly stream?: (options?: ReadOptions) => AsyncIterable<Uint8Array>;
}

/** A value of the file that is no tensor. Tables are maps: a key named `__proto__` is a key like any other. */
export type MetadataValue = null | boolean | number | bigint | string | OpaqueValue | readonly MetadataValue[] | ReadonlyMap<string, MetadataValue>;

/** Something that only its author's code understands; known by name, never opened. */
export interface OpaqueValue {
  readonly opaque: string;
}

export interface Checkpoint {
  readonly format: CheckpointFormat;
  /** In the file's order. */
  readonly tensors: readonly CheckpointTensor[];
  /** Everything else that the file says: hyperparameters, epoch, versions. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** The class of a file that is one whole pickled module, such as `dall_e.encoder.Encoder`. */
  readonly moduleClass?: string;
}

/** Keys under which training scripts keep the weights, likeliest first: Lightning (taming, minDALL-E), DALLE-pytorch, LlamaGen with DDP, DeepSpeed. */
const trainingWrappers = ['state_dict', 'weights', 'model', 'module'] as const;

/** Where the weights may be wrapped. The `model` of a tree of modules or of Flax parameters is a part of the model itself. */
function wrappersOf({ format, moduleClass }: Checkpoint): readonly string[] {
  if (format === 'flax-msgpack') return ['params'];
  return moduleClass === undefined ? trainingWrappers : [];
}

/**
 * The model's own tensors under its own names: what lies below the wrapper (`root`, found by itself when left out), or
 * the whole file when it has none. Optimizer states beside it are left out.
 * @throws TesseraeError `model-incompatible` when `root` has no tensors.
 */
export function stateDictionary(checkpoint: Checkpoint, root?: string): ReadonlyMap<string, CheckpointTensor> {
  const { tensors, format } = checkpoint;
  const below = (key: string) => tensors.filter(({ path }) => path.length > 1 && path[0] === key);
  const chosen = root ?? wrappersOf(checkpoint).find((key) => below(key).length > 0);
  if (chosen === undefined) return new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const found = below(chosen);
  if (found.length === 0) {
    throw new TesseraeError('model-incompatible', `The checkpoint has no tensors under '${chosen}'.`, {
      remedy: `Use one of: ${[...new Set(tensors.map(({ path }) => path[0]))].slice(0, 20).join(', ')}.`,
    });
  }
  const separator = format === 'flax-msgpack' ? '/' : '.';
  return new Map(found.map((tensor) => [tensor.path.slice(1).join(separator), tensor]));
}

/**
 * Reads a tensor as an array: floats of any width become float32, whole numbers int32, truth values bool.
 * @throws TesseraeError `file-corrupt`, also for whole numbers beyond 32 bits.
 */
export async function readArray(tensor: CheckpointTensor, options: ReadOptions = {}): Promise<HostArray> {
  const bytes = await tensor.read(options);
  return decodeSafetensor({ name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, byteOffset: 0, byteLength: tensor.byteLength }, bytes, tensor.file);
}

/**
 * As `readArray`, for weights: a model with a NaN in it loads everywhere and paints nothing.
 * @throws TesseraeError `numerical-failure` naming the tensor and the first element that is not finite; `file-corrupt`.
 */
export async function readWeights(tensor: CheckpointTensor, options: ReadOptions = {}): Promise<HostArray> {
  const array = await readArray(tensor, options);
  if (array.dtype !== 'float32') return array;
  const { data } = array;
  for (let index = 0; index < data.length; index += 1) {
    if (!Number.isFinite(data[index])) {
      throw new TesseraeError('numerical-failure', `${tensor.file}: the weight '${tensor.name}' holds ${data[index]} at element ${index}.`, {
        remedy: 'Use a checkpoint from before the training diverged.',
        details: { name: tensor.name, index },
      });
    }
  }
  return array;
}
