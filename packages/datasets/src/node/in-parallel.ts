/**
 * Runs `work` for 0…count−1, at most `width` at a time, in order of starting. The first failure stops the rest.
 * @throws the signal's reason once it is aborted, after the running calls have ended.
 */
export async function inParallel(count: number, width: number, signal: AbortSignal | undefined, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < count && !failed) {
      const index = next;
      next += 1;
      try {
        signal?.throwIfAborted();
        await work(index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(width, count) }, lane));
  for (const result of results) {
    if (result.status === 'rejected') {
      throw result.reason;
    }
  }
}
