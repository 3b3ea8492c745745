import { readFileSync } from 'node:fs';

const elements = {
  '<f4': (bytes: ArrayBuffer) => new Float32Array(bytes),
  '<i8': (bytes: ArrayBuffer) => Int32Array.from(new BigInt64Array(bytes), Number),
  '|u1': (bytes: ArrayBuffer) => new Uint8Array(bytes),
} as const;

export interface NumpyArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

function isKnown(type: string): type is keyof typeof elements {
  return Object.hasOwn(elements, type);
}

/** Reads a version 1 .npy file in C order with one of the element types of these recordings. */
export function readNumpy(path: string | URL): NumpyArray {
  const file = readFileSync(path);
  const start = 10 + file.readUInt16LE(8);
  const header = file.toString('latin1', 10, start);
  const [, type = ''] = /'descr': '([^']+)'/.exec(header) ?? [];
  const [, sizes = ''] = /'shape': \(([^)]*)\)/.exec(header) ?? [];
  if (file.toString('latin1', 1, 6) !== 'NUMPY' || !header.includes("'fortran_order': False") || !isKnown(type)) throw new Error(`${path} is not a file this reader knows`);
  const shape = sizes.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]));
  // A copy of its own: typed arrays want their elements aligned.
  return { shape, data: elements[type](Uint8Array.from(file.subarray(start)).buffer) };
}
