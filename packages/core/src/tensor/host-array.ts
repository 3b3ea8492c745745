import { TesseraeError } from '../errors/index.js';
import { formatShape, type Shape, sizeOf } from './shape.js';

/** Element types of graphs. `bool` is stored as one byte, 0 or 1. */
export type DType = 'float32' | 'int32' | 'bool';

export interface TypedArrayOf {
  readonly float32: Float32Array;
  readonly int32: Int32Array;
  readonly bool: Uint8Array;
}

/** Shape and element type: everything the graph knows of a value. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** An array in ordinary memory, row-major. What users own at the edge of a program. */
export type HostArray = { [D in DType]: { readonly dtype: D; readonly shape: Shape; readonly data: TypedArrayOf[D] } }[DType];

export type HostArrayOf<D extends DType> = Extract<HostArray, { readonly dtype: D }>;

function checkLength(shape: Shape, length: number, dtype: DType): void {
  if (sizeOf(shape) !== length) {
    throw new TesseraeError('shape-mismatch', `A ${dtype} array of shape ${formatShape(shape)} needs ${sizeOf(shape)} elements, not ${length}.`, {
      remedy: 'Pass data whose length is the product of the shape.',
      details: { shape, length },
    });
  }
}

export function float32Array(shape: Shape, data: Float32Array | readonly number[]): HostArrayOf<'float32'> {
  checkLength(shape, data.length, 'float32');
  return { dtype: 'float32', shape, data: data instanceof Float32Array ? data : Float32Array.from(data) };
}

export function int32Array(shape: Shape, data: Int32Array | readonly number[]): HostArrayOf<'int32'> {
  checkLength(shape, data.length, 'int32');
  return { dtype: 'int32', shape, data: data instanceof Int32Array ? data : Int32Array.from(data) };
}

export function boolArray(shape: Shape, data: Uint8Array | readonly (boolean | number)[]): HostArrayOf<'bool'> {
  checkLength(shape, data.length, 'bool');
  return { dtype: 'bool', shape, data: data instanceof Uint8Array ? data : Uint8Array.from(data, (value) => (value ? 1 : 0)) };
}

/** All zeros (or `false`). */
export function zerosArray(shape: Shape, dtype: DType = 'float32'): HostArray {
  const size = sizeOf(shape);
  switch (dtype) {
    case 'float32':
      return { dtype, shape, data: new Float32Array(size) };
    case 'int32':
      return { dtype, shape, data: new Int32Array(size) };
    case 'bool':
      return { dtype, shape, data: new Uint8Array(size) };
    default:
      return dtype satisfies never;
  }
}

/** Narrows to one element type. @throws TesseraeError `dtype-mismatch`. */
export function expectDType<D extends DType>(array: HostArray, dtype: D, name: string): HostArrayOf<D> {
  if (array.dtype !== dtype) {
    throw new TesseraeError('dtype-mismatch', `'${name}' is ${array.dtype}, not ${dtype}.`, {
      remedy: `Pass a ${dtype} array.`,
      details: { name, dtype: array.dtype },
    });
  }
  return array as HostArrayOf<D>;
}

/** Bytes one element takes in memory and in files. */
export const bytesPerElement: Readonly<Record<DType, number>> = { float32: 4, int32: 4, bool: 1 };
