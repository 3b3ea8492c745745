/** Things that serve one user at a time and are worth keeping: compiled programs with their device state. */
export interface LeasePool<T> {
  /** Runs `use` with an idle item of this kind, or a new one, which nobody else has meanwhile. */
  lease<R>(kind: string, use: (item: T) => Promise<R>): Promise<R>;
  /** Takes an item out; it must be given back by `release`. */
  acquire(kind: string): Promise<T>;
  release(kind: string, item: T): void;
  /** Frees idle items now and leased ones when they come back. */
  dispose(): void;
}

/** A pool that keeps at most `limit` idle items and frees the longest idle beyond that. */
export function createLeasePool<T>(limit: number, make: (kind: string) => Promise<T>, free: (item: T) => void): LeasePool<T> {
  let idle: { readonly kind: string; readonly item: T }[] = [];
  let disposed = false;
  const acquire = async (kind: string): Promise<T> => {
    const found = idle.find((entry) => entry.kind === kind);
    if (found === undefined) return make(kind);
    idle = idle.filter((entry) => entry !== found);
    return found.item;
  };
  const release = (kind: string, item: T): void => {
    if (disposed) {
      free(item);
      return;
    }
    idle.push({ kind, item });
    if (idle.length > limit) {
      const [oldest, ...rest] = idle;
      idle = rest;
      if (oldest !== undefined) free(oldest.item);
    }
  };
  return {
    acquire,
    release,
    async lease(kind, use) {
      const item = await acquire(kind);
      try {
        return await use(item);
      } finally {
        release(kind, item);
      }
    },
    dispose() {
      disposed = true;
      for (const { item } of idle) free(item);
      idle = [];
    },
  };
}
