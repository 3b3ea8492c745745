import { type Backend, type Graph, type HostArray, type Picture, type StateStore, TesseraeError } from '@tesserae/core';
import { codebookUsage, pictureFromPlanes } from '@tesserae/dvae';
import { writeStrip } from '../pictures.js';
import { pixelBatch, type TrainingPictures } from './pixel-batch.js';
import { evaluateOnce, holdBack } from './validation.js';

/** Pictures of stage one: some for validation, the others to train on, with their originals where crops are drawn from those. */
export function holdBackPictures(
  pictures: readonly Uint8Array[],
  batch: number,
  originals?: readonly Picture[],
): { readonly validation: readonly Uint8Array[]; readonly training: TrainingPictures } {
  if (pictures.length === 0) throw new TesseraeError('dataset-empty', 'There are no pictures to train on.', { remedy: 'Give at least one.' });
  const { validation, training } = holdBack(pictures, batch);
  return { validation, training: { pixels: training, ...(originals === undefined ? {} : { originals: originals.slice(originals.length - training.length) }) } };
}

export interface MeasureOptions {
  readonly backend: Backend;
  /** Traced for as many pictures; results `loss`, `squaredError`, `codeCounts` and `pictures`, and scalars that are passed on. */
  readonly evaluation: Graph;
  /** What it reads beside `pixels`. */
  readonly inputs?: Readonly<Record<string, HostArray>>;
  readonly store: StateStore;
  /** RGB bytes, size×size. */
  readonly pictures: readonly Uint8Array[];
  readonly size: number;
  /** Where a strip of originals and reconstructions goes. */
  readonly file: string;
}

/** What a dVAE's evaluation gives beside: in nats, see `dvaeValidationLoss`. */
const passedOn = ['kl', 'elb', 'relaxedLoss', 'hardLoss'] as const;

/**
 * How unseen pictures come back through hard codes: `validationLoss`, `psnr` in dB, `usedCodes` and `perplexity`; of a dVAE also `kl`, `elb`,
 * `relaxedLoss` and `hardLoss`.
 */
export async function measureReconstructions(options: MeasureOptions): Promise<Readonly<Record<string, number>>> {
  const { backend, evaluation, inputs = {}, store, pictures, size, file } = options;
  const results = await evaluateOnce(backend, evaluation, store, { pixels: pixelBatch(pictures, size, (row) => row, pictures.length), ...inputs });
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
    ...Object.fromEntries(passedOn.flatMap((name) => (results[name] === undefined ? [] : [[name, results[name].data[0] ?? Number.NaN]]))),
  };
}
