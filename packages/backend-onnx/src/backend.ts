import {
  type Backend,
  bytesPerElement,
  type CompositeName,
  checkBindings,
  checkInputs,
  checkWeights,
  type Graph,
  type HostArray,
  leavesOf,
  ownStore,
  prepareGraph,
  type StateStore,
  sizeOf,
  TesseraeError,
  type WeightSource,
} from '@tesserae/core';
import type { InferenceSession, Tensor } from 'onnxruntime-common';
import { type HeldTensors, holdTensors } from './held-tensors.js';
import { type ConstantContent, lowerGraph, onnxNames, resultName } from './lowering/lower-graph.js';
import { claimedComposites } from './lowering/operations.js';
import { productConstants } from './lowering/quantised-products.js';
import { findSliceUpdates } from './lowering/slice-updates.js';
import { plansMemory } from './memory-plan.js';
import { encodeModel } from './protobuf.js';
import { type OnnxRuntime, toHostArray, toRuntimeTensor } from './runtime.js';

/** Opens a session over a model whose large constants lie in files: only where there is a file system. */
export interface MappedSessions {
  /** What files are called as external data, below which folder; undefined when they share none. */
  locate(paths: readonly string[]): { readonly folder: string; readonly names: ReadonlyMap<string, string> } | undefined;
  open(model: Uint8Array, folder: string, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
}

export interface OnnxBackendOptions {
  readonly runtime: OnnxRuntime;
  /** An execution provider of the runtime: `cpu`, `wasm`, `webgpu`, … */
  readonly device: string;
  /** Threads inside one operator. Default: the runtime's choice. */
  readonly threads?: number;
  /** Given by the Node entry: maps weights out of their file instead of copying them. */
  readonly mapped?: MappedSessions;
  /**
   * Writes how long every operator of every run took, for chrome://tracing and the like: one file a program when it is disposed, called
   * `<profile>-<number>-<name of the graph>_<time>.json`. Costs a little time itself. Only where there is a file system.
   */
  readonly profile?: string;
  /** Passed on to every session. */
  readonly sessionOptions?: InferenceSession.SessionOptions;
  readonly description?: string;
}

/** Below this a copy is cheaper than a mapping. */
const smallestMapped = 1 << 20;
/** A protobuf message cannot be larger: beyond it weights must lie in files. */
const largestModel = 2 ** 31 - (1 << 20);

interface BindOptions {
  readonly mapped?: MappedSessions | undefined;
  /** Whether the engine multiplies by codes. */
  readonly codes: boolean;
}

async function bindConstants(graph: Graph, weights: WeightSource | undefined, { mapped, codes }: BindOptions) {
  const contents = new Map<string, ConstantContent>();
  const products = codes && weights?.quantised !== undefined ? productConstants(graph) : new Set<string>();
  const leaves = leavesOf(graph, 'constant').map((leaf) => {
    const size = sizeOf(leaf.shape) * bytesPerElement[leaf.dtype];
    const location = mapped === undefined || size < smallestMapped ? undefined : weights?.location?.(leaf.name);
    return { name: leaf.name, size, location: location?.byteLength === size ? location : undefined };
  });
  const paths = new Set(leaves.flatMap(({ location }) => (location === undefined ? [] : [location.path])));
  const files = paths.size === 0 ? undefined : mapped?.locate([...paths]);
  let total = 0;
  // Many and small: the file answers several at once. Large ones are read one by one, as each may pass through memory twice.
  const small = leaves.filter(({ name, size }) => size < smallestMapped && !products.has(name));
  const early = new Map(await Promise.all(small.map(async ({ name }) => [name, await weights?.read(name)] as const)));
  for (const { name, location } of leaves) {
    const file = location === undefined ? undefined : files?.names.get(location.path);
    if (location !== undefined && file !== undefined) {
      contents.set(name, { file, byteOffset: location.byteOffset, byteLength: location.byteLength });
      continue;
    }
    const quantised = products.has(name) ? await weights?.quantised?.(name) : undefined;
    if (quantised !== undefined) {
      total += quantised.codes.byteLength + quantised.scales.byteLength;
      contents.set(name, { quantised });
      continue;
    }
    const array = early.get(name) ?? (await weights?.read(name));
    if (array === undefined) continue;
    total += array.data.byteLength;
    contents.set(name, { data: new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength) });
  }
  if (total > largestModel) {
    throw new TesseraeError('backend-failure', `The weights (${total} bytes) do not fit into one ONNX model in memory.`, {
      remedy: 'Open them from a safetensors file in Node, so that they can be mapped.',
    });
  }
  return { contents, folder: files?.folder };
}

/**
 * A graph as the bytes of an ONNX model with its weights inside. Inputs and results go by their own names (a result that
 * is called like an input by `result:name`); state is read from the inputs `state:name` and given as the results
 * `update:name`, for the caller to pass on. `contrib` allows ONNX Runtime's own operators beside the standard's.
 */
export async function toOnnxModel(graph: Graph, weights?: WeightSource, options: { readonly contrib?: boolean } = {}): Promise<Uint8Array> {
  checkWeights(graph, weights);
  const prepared = prepareGraph(graph, { composites: new Set(claimedComposites) });
  const { contents } = await bindConstants(prepared, weights, { codes: options.contrib ?? false });
  return encodeModel(lowerGraph(prepared, (name) => contents.get(name) ?? { data: new Uint8Array(0) }, { contrib: options.contrib ?? false }));
}

/** A backend over an ONNX Runtime that the caller loaded. Node users: `createNodeOnnxBackend` of `@tesserae/backend-onnx/node`. */
export function createOnnxBackend(options: OnnxBackendOptions): Backend {
  const { runtime, device, threads, mapped, profile, sessionOptions } = options;
  let programs = 0;
  const composites: ReadonlySet<CompositeName> = new Set(claimedComposites);
  const stores = new WeakMap<StateStore, HeldTensors>();
  const contrib = device === 'cpu' || device === 'wasm';
  // In WebAssembly the operator ran at a thirteenth of what float32 products do: measured, one thread, ONNX Runtime 1.30.
  const multipliesCodes = device === 'cpu';

  return {
    specificationVersion: 'v1',
    name: 'onnx',
    device,
    description: options.description ?? `onnx: ONNX Runtime on ${device}`,
    composites,
    async compile(graph, compileOptions = {}) {
      compileOptions.signal?.throwIfAborted();
      const { weights, state } = checkBindings(graph, compileOptions);
      const store = ownStore(stores, state);
      const prepared = prepareGraph(graph, { composites });
      const sliceUpdates = findSliceUpdates(prepared);
      const { contents, folder } = await bindConstants(prepared, weights, { mapped, codes: multipliesCodes });
      const model = encodeModel(lowerGraph(prepared, (name) => contents.get(name) ?? { data: new Uint8Array(0) }, { contrib, sliceUpdates }));
      programs += 1;
      const settings: InferenceSession.SessionOptions = {
        executionProviders: [device],
        graphOptimizationLevel: 'all',
        enableMemPattern: plansMemory(prepared),
        logSeverityLevel: 3,
        ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
        ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: `${profile}-${programs}-${graph.name.replace(/[^a-z0-9]+/gi, '-')}` }),
        ...sessionOptions,
      };
      let session: InferenceSession | undefined;
      try {
        session = folder !== undefined && mapped !== undefined ? await mapped.open(model, folder, settings) : await runtime.InferenceSession.create(model, settings);
      } catch (cause) {
        throw new TesseraeError('backend-failure', `ONNX Runtime refused graph '${graph.name}' on ${device}: ${cause instanceof Error ? cause.message : String(cause)}.`, {
          remedy: 'Try device cpu; if that fails too, report the message.',
          cause,
        });
      }
      const stateLeaves = leavesOf(prepared, 'state').map(({ name }) => name);
      const inputLeaves = new Set(leavesOf(prepared, 'input').map(({ name }) => name));
      return {
        graph,
        async run(inputs, { signal } = {}) {
          signal?.throwIfAborted();
          checkInputs(graph, inputs);
          if (session === undefined) throw new TesseraeError('resource-disposed', `The program of graph '${graph.name}' was disposed.`, { remedy: 'Compile it again.' });
          const feeds: Record<string, Tensor> = {};
          for (const [name, value] of Object.entries(inputs)) if (inputLeaves.has(name)) feeds[onnxNames.input(name)] = toRuntimeTensor(runtime, value);
          const states = store?.values();
          const read: Tensor[] = [];
          for (const name of stateLeaves) {
            const value = states?.get(name);
            if (value === undefined) continue;
            feeds[onnxNames.state(name)] = value;
            read.push(value);
          }
          store?.acquire(read);
          let results: Awaited<ReturnType<InferenceSession['run']>>;
          try {
            results = await session.run(feeds);
          } catch (cause) {
            throw new TesseraeError('backend-failure', `ONNX Runtime failed in graph '${graph.name}': ${cause instanceof Error ? cause.message : String(cause)}.`, {
              remedy: 'Check free memory; if the message names an operator, report it.',
              cause,
            });
          } finally {
            store?.release(read);
          }
          signal?.throwIfAborted();
          store?.update(
            graph.updates.flatMap(({ name }) => {
              const value = results[onnxNames.update(name)] as Tensor | undefined;
              const slice = sliceUpdates.get(name);
              if (value === undefined) return [];
              return slice === undefined ? [{ name, value }] : [{ name, value, slice: { start: Number(results[onnxNames.start(name)]?.data[0]), axis: slice.axis } }];
            }),
          );
          const outputs: Record<string, HostArray> = {};
          for (const { name } of graph.outputs) outputs[name] = toHostArray(results[resultName(prepared, name)] as Tensor, name);
          return outputs;
        },
        dispose() {
          if (profile !== undefined) session?.endProfiling();
          void session?.release();
          session = undefined;
        },
      };
    },
    async createState(initial) {
      const held = holdTensors(runtime, initial);
      stores.set(held.store, held);
      return held.store;
    },
    dispose: async () => undefined,
  };
}
