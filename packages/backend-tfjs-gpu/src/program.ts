import { checkInputs, type Graph, type HostArray, type Program, TesseraeError } from '@tesserae/core';
import { executeGraph, type Schedule } from './execute.js';
import type { Lifetime } from './lifetime.js';
import { uploadLiterals } from './literals.js';
import type { DeviceState } from './state-store.js';
import { download, type Tf, type TfTensor, upload } from './tensorflow.js';
import type { BoundWeights } from './weights.js';

export interface ProgramParts {
  readonly tf: Tf;
  readonly device: string;
  readonly activate: () => void;
  readonly lifetime: Lifetime;
  /** As the user gave it. */
  readonly graph: Graph;
  /** Primitives and claimed composites only. */
  readonly prepared: Graph;
  /** The program's to release. */
  readonly weights: BoundWeights | undefined;
  readonly state: DeviceState | undefined;
}

export function createProgram(parts: ProgramParts): Program {
  const { tf, device, activate, lifetime, graph, prepared, weights, state } = parts;
  activate();
  const literals = uploadLiterals(tf, prepared);
  const schedule: Schedule = new WeakMap();
  let disposed = false;
  const handle = lifetime.adopt(() => {
    disposed = true;
    literals.release();
    weights?.release();
  });

  const check = (): void => {
    if (disposed) throw new TesseraeError('resource-disposed', `The program of graph '${graph.name}' was disposed.`, { remedy: 'Compile it again.' });
  };
  const need = (value: TfTensor | undefined, kind: string, name: string): TfTensor => {
    if (value === undefined) throw new RangeError(`the ${kind} '${name}' is not on the device`);
    return value;
  };
  const failure = (cause: unknown): unknown =>
    cause instanceof TesseraeError
      ? cause
      : new TesseraeError('backend-failure', `TensorFlow.js failed in graph '${graph.name}' on ${device}: ${cause instanceof Error ? cause.message : String(cause)}.`, {
          remedy: 'Check free memory and try another device; if the message names an operation, report it.',
          cause,
        });

  /** Values of the outputs, then of the updates. */
  const compute = (inputs: Readonly<Record<string, HostArray>>): TfTensor[] =>
    tf.tidy(() => {
      const given = new Map(Object.entries(inputs).map(([name, value]) => [name, upload(tf, value)] as const));
      return executeGraph(
        tf,
        prepared,
        {
          input: (name) => need(given.get(name), 'input', name),
          state: (name) => need(state?.tensor(name), 'state', name),
          constant: (name) => need(weights?.tensor(name), 'weight', name),
          literal: (array) => need(literals.tensor(array), 'literal', prepared.name),
        },
        schedule,
      );
    });

  return {
    graph,
    async run(inputs, { signal } = {}) {
      signal?.throwIfAborted();
      check();
      checkInputs(graph, inputs);
      let results: TfTensor[] = [];
      try {
        activate();
        results = compute(inputs);
        const outputs = results.slice(0, prepared.outputs.length);
        const updates = results.slice(prepared.outputs.length);
        // A GPU computes later than it is told, and failures show when something is read: before any state is replaced.
        const [fence] = [...updates].sort((a, b) => a.size - b.size);
        if (outputs.length === 0 && fence !== undefined) await fence.data();
        const arrays = await Promise.all(outputs.map((tensor, index) => download(tensor, prepared.outputs[index]?.name ?? '')));
        signal?.throwIfAborted();
        check();
        state?.commit(new Map(updates.map((tensor, index) => [prepared.updates[index]?.name ?? '', tensor] as const)));
        results = outputs;
        return Object.fromEntries(arrays.map((array, index) => [prepared.outputs[index]?.name ?? '', array] as const));
      } catch (cause) {
        if (signal?.aborted === true && cause === signal.reason) throw cause;
        throw failure(cause);
      } finally {
        for (const tensor of results) tensor.dispose();
      }
    },
    dispose: () => handle.dispose(),
  };
}
