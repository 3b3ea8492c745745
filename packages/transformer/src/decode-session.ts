import { type Backend, type Graph, type HostArray, type Program, type Shape, type StateStore, type TensorType, type WeightSource, zerosArray } from '@tesserae/core';
import type { PriorConfiguration } from './configuration.js';
import { decodeStateNames, layerStorages, logitsShape } from './decode-graph.js';
import { memoryTypes } from './decode-memory.js';
import type { DecodeBatch } from './layer-cache.js';

/** Device state for one batch shape and the programs compiled on it. Serves one decoding at a time. */
export interface DecodeSession {
  /** Runs the program of `key`, compiling it from `make` the first time. */
  run(key: string, make: () => Graph, inputs: Readonly<Record<string, HostArray>>, signal: AbortSignal | undefined): Promise<Record<string, HostArray>>;
  dispose(): void;
}

/** Programs a session keeps. Plugins that make a new graph function at every call would grow it without end. */
const keptPrograms = 16;

export interface SessionOptions {
  readonly backend: Backend;
  readonly weights: WeightSource;
  /** What the programs share between runs; none for programs without state. */
  readonly initialState?: ReadonlyMap<string, HostArray>;
}

export async function createSession({ backend, weights, initialState }: SessionOptions): Promise<DecodeSession> {
  const state: StateStore | undefined = initialState === undefined ? undefined : await backend.createState(initialState);
  const programs = new Map<string, Program>();
  return {
    async run(key, make, inputs, signal) {
      signal?.throwIfAborted();
      const known = programs.get(key);
      const program = known ?? (await backend.compile(make(), { weights, ...(state === undefined ? {} : { state }), ...(signal === undefined ? {} : { signal }) }));
      // Maps keep insertion order: setting again makes it the most recently used.
      programs.delete(key);
      programs.set(key, program);
      const [oldest] = programs;
      if (programs.size > keptPrograms && oldest !== undefined) {
        programs.delete(oldest[0]);
        oldest[1].dispose();
      }
      return program.run(inputs, signal === undefined ? {} : { signal });
    },
    dispose() {
      for (const program of programs.values()) program.dispose();
      programs.clear();
      state?.dispose();
    },
  };
}

/** What stays on the device between the calls of one decoding: caches, logits and memory, by name. */
export function decodeStateTypes(configuration: PriorConfiguration, batch: DecodeBatch): ReadonlyMap<string, TensorType> {
  const types = new Map<string, TensorType>([[decodeStateNames.logits, { dtype: 'float32', shape: logitsShape(configuration, batch) }]]);
  const keep = (shape: Shape | undefined, ...names: readonly string[]): void => {
    if (shape !== undefined) for (const name of names) types.set(name, { dtype: 'float32', shape });
  };
  for (const [layer, { before, image }] of layerStorages(configuration, batch).entries()) {
    keep(before, decodeStateNames.keysBefore(layer), decodeStateNames.valuesBefore(layer));
    keep(image, decodeStateNames.keys(layer), decodeStateNames.values(layer));
  }
  for (const [name, type] of memoryTypes(configuration, batch)) types.set(name, type);
  return types;
}

/** The same, all zeros. */
export const emptyDecodeState = (configuration: PriorConfiguration, batch: DecodeBatch): Map<string, HostArray> =>
  new Map(Array.from(decodeStateTypes(configuration, batch), ([name, { shape, dtype }]) => [name, zerosArray(shape, dtype)] as const));
