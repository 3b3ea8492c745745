import type { ElementType } from '../element-type.js';
import { type ArrayContent, type ArrayRecord, type ElementTypeRecord, isKind, type PickleValue } from './values.js';

/** NumPy's kind and width of an element → ours. Kinds: `b` bool, `i` and `u` whole numbers, `f` floats (numpy.dtype.kind). */
const codes: Readonly<Record<string, ElementType>> = {
  b1: 'BOOL',
  '?': 'BOOL',
  i1: 'I8',
  i2: 'I16',
  i4: 'I32',
  i8: 'I64',
  u1: 'U8',
  f2: 'F16',
  f4: 'F32',
  f8: 'F64',
  // NumPy has no bfloat16: JAX's is written as raw elements of two bytes.
  V2: 'BF16',
  bfloat16: 'BF16',
};

/** `<f4`, `|b1`, `>i8`, … → element type and byte order; undefined for what is not read here (texts, objects, structures, complex and wide unsigned numbers). */
export function parseNumpyType(code: string): { readonly dtype: ElementType; readonly isBigEndian: boolean } | undefined {
  const [, order, kind] = /^([<>|=]?)(\S+)$/.exec(code) ?? [];
  if (kind === undefined || !Object.hasOwn(codes, kind)) return undefined;
  const dtype = codes[kind];
  return dtype === undefined ? undefined : { dtype, isBigEndian: order === '>' };
}

/** Says what is wrong with the call. */
type Refuse = (problem: string) => never;

/** `numpy.dtype(code, align, copy)`. */
export function makeNumpyType(code: PickleValue | undefined): ElementTypeRecord {
  const type = typeof code === 'string' ? parseNumpyType(code) : undefined;
  return { kind: 'element-type', dtype: type?.dtype, isBigEndian: type?.isBigEndian ?? false };
}

/** The state of a dtype: (version, byte order, …). */
export function setNumpyTypeState(type: ElementTypeRecord, state: PickleValue, refuse: Refuse): void {
  const order = isKind(state, 'tuple') ? state.items[1] : undefined;
  if (typeof order !== 'string' || !/^[<>|=]$/.test(order)) refuse('has a NumPy element type of an unknown state');
  type.isBigEndian = order === '>';
}

/** Bytes that Python 2 wrote as a text. */
function asBytes(value: PickleValue | undefined): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' ? new TextEncoder().encode(value) : undefined;
}

interface ArrayParts {
  readonly type: PickleValue | undefined;
  readonly shape: PickleValue | undefined;
  readonly isFortran: PickleValue | undefined;
  readonly content: PickleValue | undefined;
}

function contentOf({ type, shape, isFortran, content }: ArrayParts, refuse: Refuse): ArrayContent | undefined {
  if (!isKind(type, 'element-type') || shape === undefined || typeof isFortran !== 'boolean') return refuse('has a NumPy array of an unknown state');
  const { dtype, isBigEndian } = type;
  if (dtype === undefined) return undefined;
  const bytes = asBytes(content);
  return bytes === undefined ? refuse('has a NumPy array without bytes') : { dtype, isBigEndian, shape, isFortran, bytes };
}

/** The state of an array: (version, shape, dtype, isFortran, bytes), the version left out by old NumPy. */
export function setArrayState(array: ArrayRecord, state: PickleValue, refuse: Refuse): void {
  const [shape, type, isFortran, content] = isKind(state, 'tuple') ? state.items.slice(-4) : [];
  array.content = contentOf({ type, shape, isFortran, content }, refuse);
}

/** `numpy.core.multiarray.scalar(dtype, bytes)`: an array without dimensions. */
export function makeScalar([type, content]: readonly PickleValue[], refuse: Refuse): ArrayRecord {
  return { kind: 'array', content: contentOf({ type, shape: { kind: 'tuple', items: [] }, isFortran: false, content }, refuse) };
}

/** `numpy.core.numeric._frombuffer(bytes, dtype, shape, order)`: arrays of protocol 5. */
export function makeFromBuffer([content, type, shape, order]: readonly PickleValue[], refuse: Refuse): ArrayRecord {
  return { kind: 'array', content: contentOf({ type, shape, isFortran: order === 'F', content }, refuse) };
}
