import { float32Array, type HostArray, weightsFromSafetensors } from '@tesserae/core';
import { readFileSync } from 'node:fs';
import type { PriorConfiguration } from '../configuration.js';
import { priorParameters } from '../transformer.js';

/** Rows of a peer's tensor (its first axis), all by default. */
export interface PeerPart {
  readonly name: string;
  readonly rows?: readonly [from: number, to: number];
}

/** Our path → the peer's rows that it consists of, one behind the other; sizes of 1 may be added or left out. */
export type PeerMapping = ReadonlyMap<string, readonly PeerPart[]>;

interface Values {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** The numbers of one of our weights (or of its gradient), from the peer's. */
export function assemble(parts: readonly PeerPart[], read: (name: string) => Values): Float32Array {
  return Float32Array.from(
    parts.flatMap(({ name, rows }) => {
      const { shape, data } = read(name);
      const size = data.length / (shape[0] ?? 1);
      return Array.from(data).slice((rows?.[0] ?? 0) * size, rows === undefined ? undefined : rows[1] * size);
    }),
  );
}

/** A peer's tensors by name, out of its safetensors files; each file's names get a prefix. */
export async function peerTensors(files: readonly { readonly url: URL; readonly prefix?: string }[]): Promise<Map<string, HostArray>> {
  const tensors = new Map<string, HostArray>();
  for (const { url, prefix = '' } of files) {
    const source = weightsFromSafetensors(Uint8Array.from(readFileSync(url)));
    for (const name of source.types.keys()) tensors.set(prefix + name, await source.read(name));
  }
  return tensors;
}

/** Every weight a configuration asks for, from the peer's tensors. */
export function mapWeights(configuration: PriorConfiguration, mapping: PeerMapping, tensors: ReadonlyMap<string, HostArray>): Map<string, HostArray> {
  const read = (name: string): HostArray => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`the peer has no '${name}'`);
    return tensor;
  };
  return new Map(
    Array.from(priorParameters(configuration).values(), ({ name, shape }) => {
      const parts = mapping.get(name);
      if (parts === undefined) throw new Error(`no mapping for '${name}'`);
      return [name, float32Array(shape, assemble(parts, read))] as const;
    }),
  );
}
