import { TesseraeError } from '@tesserae/core';

/** Something that holds tensors until it is disposed. Disposing twice is harmless. */
export interface Disposable {
  dispose(): void;
}

/** What a backend has handed out and must take back when it is disposed. */
export interface Lifetime extends Disposable {
  /** @throws TesseraeError `resource-disposed` after `dispose`. */
  check(): void;
  /** Adds something living; the function it gives releases it, once. */
  adopt(release: () => void): Disposable;
}

export function createLifetime(what: string): Lifetime {
  const living = new Set<Disposable>();
  let over = false;
  return {
    check() {
      if (over) throw new TesseraeError('resource-disposed', `${what} was disposed.`, { remedy: 'Create it again, and dispose it last.' });
    },
    adopt(release) {
      const handle: Disposable = {
        dispose() {
          if (!living.delete(handle)) return;
          release();
        },
      };
      living.add(handle);
      return handle;
    },
    dispose() {
      over = true;
      for (const handle of [...living]) handle.dispose();
    },
  };
}
