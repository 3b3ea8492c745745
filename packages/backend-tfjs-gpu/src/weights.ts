import type { WeightSource } from '@tesserae/core';
import { type Tf, type TfTensor, upload } from './tensorflow.js';

/** Weights on the device, as one program sees them. */
export interface BoundWeights {
  tensor(name: string): TfTensor | undefined;
  /** Frees them with the last program that uses them. */
  release(): void;
}

export interface WeightCache {
  /** Uploads what is not on the device yet. */
  bind(source: WeightSource, names: readonly string[], signal?: AbortSignal): Promise<BoundWeights>;
}

/** Programs of one model share its weights: those of one source are uploaded once. */
export function createWeightCache(tf: Tf, activate: () => void): WeightCache {
  const shared = new WeakMap<WeightSource, { readonly tensors: Map<string, TfTensor>; users: number }>();
  return {
    async bind(source, names, signal) {
      const entry = shared.get(source) ?? { tensors: new Map<string, TfTensor>(), users: 0 };
      shared.set(source, entry);
      entry.users += 1;
      const { tensors } = entry;
      const release = (): void => {
        entry.users -= 1;
        if (entry.users > 0) return;
        for (const tensor of tensors.values()) tensor.dispose();
        tensors.clear();
      };
      try {
        for (const name of names) {
          if (tensors.has(name)) continue;
          signal?.throwIfAborted();
          const array = await source.read(name);
          activate();
          // Another program may have read it in the meantime.
          if (!tensors.has(name)) tensors.set(name, upload(tf, array));
        }
        return { tensor: (name) => tensors.get(name), release };
      } catch (cause) {
        release();
        throw cause;
      }
    },
  };
}
