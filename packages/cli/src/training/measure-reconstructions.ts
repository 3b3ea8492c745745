import type { Backend, Graph, Picture, StateStore } from '@tesserae/core';
import { codebookUsage, pictureFromPlanes } from '@tesserae/dvae';
import { writeStrip } from '../pictures.js';
import { pixelBatch } from './pixel-batch.js';

/** Pictures held back to see how well unseen ones come back. */
const validationShare = 0.02;

/** The first few pictures, at most a batch of them, for validation; the rest for training, or all where there are few. */
export function holdBack(pictures: readonly Uint8Array[], batch: number): { readonly validation: readonly Uint8Array[]; readonly training: readonly Uint8Array[] } {
  const held = Math.max(1, Math.min(batch, Math.floor(pictures.length * validationShare)));
  return { validation: pictures.slice(0, held), training: pictures.length > held ? pictures.slice(held) : pictures };
}

export interface MeasureOptions {
  readonly backend: Backend;
  /** Traced for as many pictures; results `loss`, `squaredError`, `codeCounts` and `pictures`. */
  readonly evaluation: Graph;
  readonly store: StateStore;
  /** RGB bytes, size×size. */
  readonly pictures: readonly Uint8Array[];
  readonly size: number;
  /** Where a strip of originals and reconstructions goes. */
  readonly file: string;
}

/** How unseen pictures come back through hard codes: `validationLoss`, `psnr` in dB, `usedCodes` and `perplexity`. */
export async function measureReconstructions(options: MeasureOptions): Promise<Readonly<Record<string, number>>> {
  const { backend, evaluation, store, pictures, size, file } = options;
  const program = await backend.compile(evaluation, { state: store });
  try {
    const results = await program.run({ pixels: pixelBatch(pictures, size, (row) => row, pictures.length) });
    const usage = codebookUsage(results.codeCounts?.data ?? []);
    const planes = results.pictures?.data as Float32Array;
    const originals = pictures.slice(0, 8).map((data): Picture => ({ width: size, height: size, data }));
    const again = originals.map((_, index) => pictureFromPlanes(planes, index * 3 * size * size, size, size));
    await writeStrip(file, [originals, again]);
    return {
      validationLoss: results.loss?.data[0] ?? Number.NaN,
      psnr: -10 * Math.log10(results.squaredError?.data[0] ?? Number.NaN),
      usedCodes: usage.used,
      perplexity: usage.perplexity,
    };
  } finally {
    program.dispose();
  }
}
