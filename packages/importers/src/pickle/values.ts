import type { ElementType } from '../element-type.js';

/** What a pickle becomes: plain records, whatever classes it speaks of. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDictionary
  | PickleSet
  | ClassReference
  | InertObject
  | ElementTypeRecord
  | StorageReference
  | TensorRecord
  | ArrayRecord;

export interface PickleList {
  readonly kind: 'list';
  readonly items: PickleValue[];
}

export interface PickleTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}

/** Keys are compared as JavaScript does: texts and numbers by value, everything else by identity. */
export interface PickleDictionary {
  readonly kind: 'dictionary';
  readonly entries: Map<PickleValue, PickleValue>;
}

export interface PickleSet {
  readonly kind: 'set';
  readonly items: Set<PickleValue>;
}

/** The name of a class. Never looked up, never called. */
export interface ClassReference {
  readonly kind: 'class';
  readonly module: string;
  readonly name: string;
}

/** An instance of a class nobody here knows: what its author's code would have been given, untouched. */
export interface InertObject {
  readonly kind: 'object';
  /** `module.Name`. */
  readonly className: string;
  readonly constructorArguments: readonly PickleValue[];
  /** What BUILD brought: as a rule a dictionary of attributes. */
  state: PickleValue;
  /** Content of a class that extends `dict`. */
  readonly entries: Map<PickleValue, PickleValue>;
  /** Content of a class that extends `list` or `set`. */
  readonly items: PickleValue[];
}

/** `torch.float32` or NumPy's `dtype('<f4')`. */
export interface ElementTypeRecord {
  readonly kind: 'element-type';
  /** None for NumPy's texts, objects, structures, complex and wide unsigned numbers: random states, lists of names. */
  readonly dtype: ElementType | undefined;
  /** Set by BUILD for NumPy. */
  isBigEndian: boolean;
}

/** A piece of raw memory that lies elsewhere in the file. */
export interface StorageReference {
  readonly kind: 'storage';
  readonly key: string;
  /** None for untyped storage, whose elements are bytes. */
  readonly dtype: ElementType | undefined;
  readonly elements: number;
  /** A part of the storage, in elements: old files only. */
  readonly view: { readonly offset: number; readonly elements: number } | undefined;
}

/** A tensor as the file claims it; nothing of it is checked yet, because its name, which errors need, is not known yet. */
export interface TensorRecord {
  readonly kind: 'tensor';
  readonly storage: StorageReference;
  readonly dtype: ElementType;
  readonly offset: PickleValue;
  readonly shape: PickleValue;
  readonly strides: PickleValue;
}

/** A NumPy array, whose bytes lie in the pickle itself. */
export interface ArrayRecord {
  readonly kind: 'array';
  /** Set by BUILD. None for arrays of a type that is not read: they are no weights, and stay unopened. */
  content: ArrayContent | undefined;
}

/** Kinds of records. */
export type RecordKind = Extract<PickleValue, { readonly kind: string }>['kind'];

/** Narrows a value to one kind of record. */
export function isKind<K extends RecordKind>(value: PickleValue | undefined, kind: K): value is Extract<PickleValue, { readonly kind: K }> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && value.kind === kind;
}

export interface ArrayContent {
  readonly dtype: ElementType;
  readonly isBigEndian: boolean;
  readonly shape: PickleValue;
  readonly isFortran: boolean;
  readonly bytes: Uint8Array;
}

export function qualifiedName({ module, name }: ClassReference): string {
  return `${module}.${name}`;
}

/** For errors: what a value is, never what it holds. */
export function describeValue(value: PickleValue): string {
  if (value === null) return 'None';
  if (typeof value !== 'object') return typeof value === 'string' ? 'a text' : `a ${typeof value}`;
  if (value instanceof Uint8Array) return 'bytes';
  if (value.kind === 'class') return qualifiedName(value);
  if (value.kind === 'object') return `an object of class ${value.className}`;
  return `a ${value.kind}`;
}
