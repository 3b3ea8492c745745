import type { CompositeName, Graph, NamedType } from '../graph/index.js';
import type { HostArray } from '../tensor/index.js';

/**
 * A matrix [rows, columns] of whole numbers with a scale for every `block` weights of a row, the last block filled up:
 * weight = (code − 2^(bits−1)) · scale. Two codes of 4 bits share a byte, the lower half first. Those of 8 bits have one scale a row (`block` is
 * `columns`), and lie no further than `quantisedReach[8]` from the middle.
 */
export interface QuantisedMatrix {
  readonly bits: 4 | 8;
  readonly block: number;
  readonly rows: number;
  readonly columns: number;
  /** [rows, ⌈columns/block⌉, block·bits/8] */
  readonly codes: Uint8Array;
  /** [rows, ⌈columns/block⌉] */
  readonly scales: Float32Array;
}

/** Where weights come from: named arrays that are read when a program binds them. */
export interface WeightSource {
  readonly types: ReadonlyMap<string, NamedType>;
  /** @throws TesseraeError `file-corrupt` or `model-incompatible`. */
  read(name: string): Promise<HostArray>;
  /** Where the bytes lie in a file, if they do (row-major, little-endian, in the leaf's dtype): lets an engine map them instead of reading. */
  location?(name: string): { readonly path: string; readonly byteOffset: number; readonly byteLength: number } | undefined;
  /** The codes of a matrix that is held in few bits (`quantiseWeights`), for engines that multiply by them; `read` gives what they stand for. */
  quantised?(name: string): Promise<QuantisedMatrix> | undefined;
}

/** Values that live on the device between runs, shared by every program compiled with this store. */
export interface StateStore {
  readonly types: ReadonlyMap<string, NamedType>;
  read(name: string): Promise<HostArray>;
  write(name: string, value: HostArray): Promise<void>;
  dispose(): void;
}

export interface CompileOptions {
  /** Binds the graph's constants. Required when it has any. */
  readonly weights?: WeightSource;
  /** Holds the graph's state. Required when it has any. */
  readonly state?: StateStore;
  readonly signal?: AbortSignal;
}

/** A compiled graph. Owns its intermediates; `run` may not be called twice at once. */
export interface Program {
  readonly graph: Graph;
  /**
   * Runs once: inputs by name → results by name. State updates are written before the promise resolves; after a
   * rejection the state is as it was.
   * @throws TesseraeError `shape-mismatch` for an input that does not fit, `backend-failure` when the engine fails.
   */
  run(inputs: Readonly<Record<string, HostArray>>, options?: { readonly signal?: AbortSignal }): Promise<Record<string, HostArray>>;
  dispose(): void;
}

/** An engine that runs graphs. */
export interface Backend {
  readonly specificationVersion: 'v1';
  /** `reference`, `onnx`, `tfjs-gpu`, … */
  readonly name: string;
  /** What it runs on: `cpu`, `webgpu`, `wasm`, … */
  readonly device: string;
  /** One line for people: engine, version, device, and why this device was taken. */
  readonly description: string;
  /** Composites this engine runs whole; all others reach it decomposed. */
  readonly composites: ReadonlySet<CompositeName>;
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  createState(initial: ReadonlyMap<string, HostArray>): Promise<StateStore>;
  dispose(): Promise<void>;
}
