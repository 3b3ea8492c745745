import type { Backend, Graph, HostArray, StateStore } from '@tesserae/core';

/** Share of the examples held back to see how well unseen ones do. */
const validationShare = 0.02;

/** The first few examples, at most `most`, for validation; the rest for training, or all where there is one only. */
export function holdBack<Example>(examples: readonly Example[], most: number): { readonly validation: readonly Example[]; readonly training: readonly Example[] } {
  const held = Math.max(1, Math.min(most, Math.floor(examples.length * validationShare)));
  return { validation: examples.slice(0, held), training: examples.length > held ? examples.slice(held) : examples };
}

/** Updates between two looks at unseen examples, where nothing else is asked for. */
export function defaultPreviewEvery(steps: number): number {
  return Math.max(1, Math.min(500, Math.floor(steps / 4)));
}

/** Runs an evaluation step once on the parameters of a training under way. */
export async function evaluateOnce(backend: Backend, evaluation: Graph, store: StateStore, inputs: Readonly<Record<string, HostArray>>): Promise<Record<string, HostArray>> {
  const program = await backend.compile(evaluation, { state: store });
  try {
    return await program.run(inputs);
  } finally {
    program.dispose();
  }
}
