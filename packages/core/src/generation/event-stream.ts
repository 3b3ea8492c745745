/** A queue that a producer fills and one consumer reads as an async iterable. */
export interface EventStream<T> extends AsyncIterable<T> {
  push(event: T): void;
  /** No more events; with an error, reading ends with it. */
  close(error?: unknown): void;
}

export function createEventStream<T>(onCancel: () => void = () => undefined): EventStream<T> {
  const waiting: T[] = [];
  let wake: (() => void) | undefined;
  let closed = false;
  let failure: { readonly error: unknown } | undefined;
  return {
    push(event) {
      if (closed) return;
      waiting.push(event);
      wake?.();
    },
    close(error) {
      if (closed) return;
      closed = true;
      if (error !== undefined) failure = { error };
      wake?.();
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const event = waiting.shift();
          if (event !== undefined) {
            yield event;
            continue;
          }
          if (failure !== undefined) throw failure.error;
          if (closed) return;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } finally {
        if (!closed) onCancel();
      }
    },
  };
}
