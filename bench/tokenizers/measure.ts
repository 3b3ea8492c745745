import {
  type Backend,
  createEvaluationStep,
  deriveKey,
  divide,
  float32Array,
  type HostArray,
  int32Array,
  keyFromSeed,
  type LossFunction,
  type Picture,
  reduceMean,
  softmax,
  square,
  stateNames,
  subtract,
  transpose,
  uniformArray,
} from '@tesserae/core';
import {
  codebookUsage,
  type DvaeConfiguration,
  decodeRelaxed,
  downsamplingOf,
  dvaeValidationLoss,
  dvaeWarmUpValidationLoss,
  encode,
  gumbelNoise,
  klScale,
  mapPixels,
  negativeLogLikelihood,
  pictureFromPlanes,
  pixelsFromMaps,
  reconstructionLoss,
  relaxWith,
} from '@tesserae/dvae';
import { pixelBatch } from '../../packages/cli/src/training/pixel-batch.js';
import { type Contestant, codebookSize, size } from './contestants.js';

/** One row of the table. What a model has not is left out. */
export interface Measured {
  readonly title: string;
  readonly psnr: number;
  /** The likelihood's, in nats a pixel value. */
  readonly reconstruction?: number;
  /** In nats a place. */
  readonly kl?: number;
  /** In nats a pixel value, β = 1. */
  readonly elb?: number;
  readonly usedCodes?: number;
  readonly perplexity?: number;
  readonly pictures: readonly Picture[];
}

/** Pictures evaluated at once, and pictures shown. */
export const [together, shown] = [32, 6];

interface Averages {
  readonly scalars: Readonly<Record<string, number>>;
  readonly codeCounts?: Float64Array;
  readonly pictures: readonly Picture[];
}

/** Means of a loss's scalars over pictures whose number divides by 32, and what it made of the first few. */
async function average(
  backend: Backend,
  weights: ReadonlyMap<string, HostArray>,
  loss: LossFunction,
  pictures: readonly Uint8Array[],
  noise: readonly number[] | undefined,
): Promise<Averages> {
  const store = await backend.createState(new Map([...weights, [stateNames.step, int32Array([], [0])]]));
  const program = await backend.compile(createEvaluationStep('measure', loss, { average: false }), { state: store });
  const sums = new Map<string, number>();
  const codeCounts = new Float64Array(codebookSize);
  const first: Picture[] = [];
  let counted = false;
  try {
    for (let start = 0; start < pictures.length; start += together) {
      const results = await program.run({
        pixels: pixelBatch(pictures, size, (row) => start + row, together),
        ...(noise === undefined
          ? {}
          : {
              noise: float32Array(
                noise,
                uniformArray(
                  deriveKey(keyFromSeed(1), 'noise', start),
                  noise.reduce((product, length) => product * length, 1),
                ),
              ),
            }),
      });
      for (const [name, { shape, data }] of Object.entries(results))
        if (shape.length === 0) sums.set(name, (sums.get(name) ?? 0) + ((data[0] ?? Number.NaN) * together) / pictures.length);
      results.codeCounts?.data.forEach((count, code) => {
        counted = true;
        codeCounts[code] = (codeCounts[code] ?? 0) + count;
      });
      if (start === 0 && results.pictures !== undefined) {
        const planes = results.pictures.data as Float32Array;
        for (let index = 0; index < shown; index += 1) first.push(pictureFromPlanes(planes, index * 3 * size * size, size, size));
      }
    }
  } finally {
    program.dispose();
    store.dispose();
  }
  return { scalars: Object.fromEntries(sums), ...(counted ? { codeCounts } : {}), pictures: first };
}

/** The dVAE's decoder on the mixture of codes at the last τ of its training, with the training's noise or without. */
function mixtureLoss(configuration: DvaeConfiguration, temperature: number, noisy: boolean): LossFunction {
  return ({ scope, parameters }) => {
    const pixels = scope.input('pixels', [together, 3, size, size]);
    const mapped = mapPixels(pixels);
    const logits = encode(parameters.child('encoder'), mapped, configuration);
    const last = (x: typeof logits): typeof logits => transpose(x, [0, 2, 3, 1]);
    const tau = scope.literal(temperature);
    const mixed = noisy ? relaxWith(logits, gumbelNoise(scope.input('noise', logits.shape)), tau) : transpose(softmax(divide(last(logits), tau)), [0, 3, 1, 2]);
    const maps = decodeRelaxed(parameters.child('decoder'), mixed, configuration);
    const pictures = pixelsFromMaps(maps);
    return { loss: negativeLogLikelihood(mapped, maps), metrics: { squaredError: reduceMean(square(subtract(pictures, pixels))), pictures } };
  };
}

const decibels = (squaredError = Number.NaN): number => -10 * Math.log10(squaredError);

/** How a trained contestant gives unseen pictures back: one row, of the dVAE also a row for each kind of mixture. */
export async function measure(contestant: Contestant, backend: Backend, weights: ReadonlyMap<string, HostArray>, pictures: readonly Uint8Array[]): Promise<readonly Measured[]> {
  const { title } = contestant;
  const usage = ({ codeCounts }: Averages): Pick<Measured, 'usedCodes' | 'perplexity'> => {
    if (codeCounts === undefined) return {};
    const { used, perplexity } = codebookUsage(codeCounts);
    return { usedCodes: used, perplexity };
  };
  if (contestant.how === 'continuous') {
    const { recipe } = contestant;
    const found = await average(backend, weights, dvaeWarmUpValidationLoss(recipe.configuration, together, recipe.objective), pictures, undefined);
    return [{ title, psnr: decibels(found.scalars.squaredError), reconstruction: found.scalars.loss ?? Number.NaN, pictures: found.pictures }];
  }
  if (contestant.how === 'relative') {
    const found = await average(backend, weights, reconstructionLoss(contestant.recipe.configuration, together), pictures, undefined);
    return [{ title, psnr: decibels(found.scalars.squaredError), ...usage(found), pictures: found.pictures }];
  }
  const { configuration, temperature } = contestant.recipe;
  const side = size / downsamplingOf(configuration);
  const hard = await average(backend, weights, dvaeValidationLoss(configuration, together), pictures, undefined);
  const kl = hard.scalars.kl ?? Number.NaN;
  const rows: Measured[] = [
    {
      title: `${title}: hard codes`,
      psnr: decibels(hard.scalars.squaredError),
      reconstruction: hard.scalars.loss ?? Number.NaN,
      kl,
      elb: hard.scalars.elb ?? Number.NaN,
      ...usage(hard),
      pictures: hard.pictures,
    },
  ];
  const tau = temperature.kind === 'cosine' ? temperature.to : 1;
  for (const [noisy, how] of [
    [false, 'the mixture at the last τ'],
    [true, 'the same with Gumbel noise, as trained'],
  ] as const) {
    const mixed = await average(backend, weights, mixtureLoss(configuration, tau, noisy), pictures, noisy ? [together, codebookSize, side, side] : undefined);
    const reconstruction = mixed.scalars.loss ?? Number.NaN;
    rows.push({
      title: `${title}: ${how}`,
      psnr: decibels(mixed.scalars.squaredError),
      reconstruction,
      kl,
      elb: -(reconstruction + kl * klScale(configuration)),
      pictures: mixed.pictures,
    });
  }
  return rows;
}
