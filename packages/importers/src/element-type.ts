import type { SafetensorsDType } from '@tesserae/core';

/** How elements are stored, in the names of safetensors: `F32`, `BF16`, `I64`, … */
export type ElementType = SafetensorsDType;

/** Bytes of one element. */
export const elementBytes = { BOOL: 1, U8: 1, I8: 1, F16: 2, BF16: 2, I16: 2, I32: 4, F32: 4, I64: 8, F64: 8 } as const satisfies Record<ElementType, number>;

/** Reverses the bytes of every element, in place: big-endian files on a little-endian machine. */
export function swapBytes(bytes: Uint8Array, width: number): void {
  for (let start = 0; start + width <= bytes.length; start += width) bytes.subarray(start, start + width).reverse();
}

/** The names that torch and NumPy share; complex, quantised and wide unsigned elements are not read. */
export const elementTypesByName: ReadonlyMap<string, ElementType> = new Map<string, ElementType>([
  ['float64', 'F64'],
  ['float32', 'F32'],
  ['float16', 'F16'],
  ['bfloat16', 'BF16'],
  ['int64', 'I64'],
  ['int32', 'I32'],
  ['int16', 'I16'],
  ['int8', 'I8'],
  ['uint8', 'U8'],
  ['bool', 'BOOL'],
]);
