import type { ParameterSpec } from '@tesserae/core';
import type { Checkpoint, CheckpointTensor, MetadataValue } from '../checkpoint.js';

export type Weights = ReadonlyMap<string, CheckpointTensor>;
export type Hyperparameters = ReadonlyMap<string, MetadataValue>;

/** One of a peer's files, opened. */
export interface PeerFile {
  /** As the user knows it. */
  readonly name: string;
  readonly checkpoint: Checkpoint;
  /** The model's own tensors, under the peer's names. */
  readonly weights: Weights;
  /** What the file itself says of the model: `hparams` of training scripts, attributes of whole modules. */
  readonly hyperparameters: Hyperparameters;
}

/** What a family may know beside the weights. */
export interface ReadingContext {
  /** Settings files that lie beside the weights, by name, parsed. */
  readonly documents: ReadonlyMap<string, unknown>;
  /** What the user says of the model because no file does; wins over everything read. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What is done to a tensor on its way: its axes in another order, as NumPy's transpose does. */
export interface Transform {
  readonly axes: readonly number[];
}

/** One line of a family's table. */
export interface WeightName {
  readonly peer: string;
  /** The path of the parameter in our model. */
  readonly path: string;
  readonly transform?: Transform;
  /** Only these rows of the peer's tensor (its first axis). All lines of one path follow one another in our weight. */
  readonly rows?: readonly [from: number, to: number];
  /** One side has axes of size 1 that the other has not. */
  readonly ones?: true;
  /** What are two axes there, the first ones behind the transform, is one axis of ours. */
  readonly merged?: true;
}

/** Tensors that a model does not need, and why. */
export interface Ignorable {
  readonly pattern: RegExp;
  readonly reason: string;
  /** Only these rows of a tensor whose others are needed. */
  readonly rows?: readonly [from: number, to: number];
}

/** Parts of a model folder. */
export type PartName = 'imageTokenizer' | 'prior' | 'textTokenizer' | 'scorer';

/** A part of a model as a family reads it, before its tensors are counted against it. */
export interface PartReading {
  readonly part: PartName;
  /** The part's `config.json`. */
  readonly configuration: { readonly kind: string };
  /** Every weight that the configuration wants. */
  readonly expected: ReadonlyMap<string, ParameterSpec>;
  /** The table; lines whose path the configuration does not want are left out. Several lines of one path are its rows, in their order. */
  readonly names: Iterable<WeightName>;
  readonly weights: Weights;
  readonly ignorable: readonly Ignorable[];
  /** What no file said and was taken for granted, as sentences. */
  readonly assumed: readonly string[];
}

/** A kind of checkpoint. Plain data and two functions. */
export interface Family {
  /** For `--as`. */
  readonly name: string;
  readonly title: string;
  /** Whether a file's tensors are of this family, by names and shapes. */
  recognises(weights: Weights): boolean;
  /** Reads the configuration off the tensors of all files of this family. @throws TesseraeError `model-incompatible`. */
  read(files: readonly PeerFile[], context: ReadingContext): readonly PartReading[];
}
