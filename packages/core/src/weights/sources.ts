import type { WeightSource } from '../backend/index.js';
import { TesseraeError } from '../errors/index.js';
import type { NamedType } from '../graph/index.js';
import type { HostArray } from '../tensor/index.js';
import { decodeSafetensor, parseSafetensorsHeader, type SafetensorsEntry, type SafetensorsHeader, safetensorsHeaderLength } from './safetensors.js';

function missing(name: string, where: string): never {
  throw new TesseraeError('model-incompatible', `${where} has no tensor '${name}'.`, { remedy: 'Use the weights that belong to this configuration.' });
}

/** Weights that are already in memory. */
export function weightsFromArrays(arrays: ReadonlyMap<string, HostArray>): WeightSource {
  return {
    types: new Map(Array.from(arrays, ([name, { shape, dtype }]) => [name, { name, shape, dtype }] as const)),
    read: async (name) => arrays.get(name) ?? missing(name, 'The set of weights'),
  };
}

/** What a tensor of the file becomes when it is read. */
function typeOf({ name, dtype, shape }: SafetensorsEntry): NamedType {
  if (dtype === 'BOOL') return { name, shape, dtype: 'bool' };
  return { name, shape, dtype: dtype === 'F32' || dtype === 'F16' || dtype === 'BF16' || dtype === 'F64' ? 'float32' : 'int32' };
}

/** Types of all tensors of a header. */
export function safetensorsTypes(header: SafetensorsHeader): ReadonlyMap<string, NamedType> {
  return new Map(Array.from(header.entries.values(), (entry) => [entry.name, typeOf(entry)] as const));
}

/** Weights of a safetensors file held in memory, as a browser gets it. @throws TesseraeError `file-corrupt`. */
export function weightsFromSafetensors(bytes: Uint8Array, file = 'The safetensors data'): WeightSource & { readonly metadata: Readonly<Record<string, string>> } {
  const headerLength = safetensorsHeaderLength(bytes.subarray(0, 8), bytes.length, file);
  const header = parseSafetensorsHeader(bytes.subarray(8, 8 + headerLength), bytes.length, file);
  return {
    types: safetensorsTypes(header),
    metadata: header.metadata,
    async read(name) {
      const entry = header.entries.get(name) ?? missing(name, file);
      return decodeSafetensor(entry, bytes.subarray(entry.byteOffset, entry.byteOffset + entry.byteLength), file);
    },
  };
}
