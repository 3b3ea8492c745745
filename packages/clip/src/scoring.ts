import { type CallOptions, type ImageTextScorer, type Program, TesseraeError } from '@tesserae/core';

/** A scorer that holds programs of an engine. */
export type DisposableScorer = ImageTextScorer & { dispose(): void };

export interface Batches {
  /** One number for each item; `compute` gets a program, at most as many items as its batch, and gives a number for each place of the batch. */
  run<Item>(
    items: readonly Item[],
    signal: AbortSignal | undefined,
    compute: (program: Program, part: readonly Item[], batch: number, options: CallOptions) => Promise<readonly number[]>,
  ): Promise<Float64Array>;
  dispose(): void;
}

/** Programs by batch size. Sizes are powers of two: few different programs, and little of the last batch is filling. */
export function inBatches(maximumBatch: number, compile: (batch: number) => Promise<Program>): Batches {
  if (!Number.isInteger(maximumBatch) || maximumBatch < 1) {
    throw new TesseraeError('invalid-argument', `A scorer cannot judge ${maximumBatch} pictures together.`, {
      remedy: 'Use a maximumBatch of at least 1.',
      details: { maximumBatch },
    });
  }
  const programs = new Map<number, Promise<Program>>();
  const programFor = (batch: number): Promise<Program> => {
    const known = programs.get(batch);
    if (known !== undefined) return known;
    const made = compile(batch);
    programs.set(batch, made);
    // A failed compilation must not be remembered.
    made.catch(() => programs.delete(batch));
    return made;
  };
  return {
    async run(items, signal, compute) {
      const numbers = new Float64Array(items.length);
      for (let start = 0; start < items.length; ) {
        signal?.throwIfAborted();
        const wanted = items.length - start;
        const batch = Math.min(maximumBatch, 2 ** Math.ceil(Math.log2(wanted)));
        const computed = await compute(await programFor(batch), items.slice(start, start + batch), batch, signal === undefined ? {} : { signal });
        numbers.set(computed.slice(0, Math.min(wanted, batch)), start);
        start += batch;
      }
      return numbers;
    },
    dispose() {
      for (const program of programs.values()) void program.then((made) => made.dispose()).catch(() => undefined);
      programs.clear();
    },
  };
}
