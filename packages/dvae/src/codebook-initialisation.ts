import { type Backend, createParameterTree, deriveKey, float32Array, type HostArray, initialiseParameters, type Key, relu, TesseraeError, trace, uniform } from '@tesserae/core';
import type { DvaeConfiguration } from './configuration.js';
import { encodeFeatures } from './encoder.js';
import { mapPixels } from './likelihood.js';

/** Squared distance of two vectors stored in flat arrays. */
function squaredDistance(a: Float32Array, offsetA: number, b: Float32Array, offsetB: number, width: number): number {
  let sum = 0;
  for (let index = 0; index < width; index += 1) {
    const difference = (a[offsetA + index] ?? 0) - (b[offsetB + index] ?? 0);
    sum += difference * difference;
  }
  return sum;
}

/**
 * `count` well spread rows of `features` [rows, width]: each next one is drawn with probability proportional to its squared
 * distance from those before (k-means++, Arthur and Vassilvitskii 2007).
 */
export function spreadRows(features: Float32Array, width: number, count: number, key: Key): Int32Array {
  const rows = features.length / width;
  const chosen = new Int32Array(count);
  const distances = new Float64Array(rows).fill(Number.POSITIVE_INFINITY);
  let current = Math.min(rows - 1, Math.floor(uniform(key, 0) * rows));
  for (let index = 0; index < count; index += 1) {
    chosen[index] = current;
    let total = 0;
    for (let row = 0; row < rows; row += 1) {
      const distance = Math.min(distances[row] ?? 0, squaredDistance(features, row * width, features, current * width, width));
      distances[row] = distance;
      total += distance;
    }
    let rest = uniform(key, index + 1) * total;
    for (let row = 0; row < rows; row += 1) {
      rest -= distances[row] ?? 0;
      if (rest <= 0) {
        current = row;
        break;
      }
    }
  }
  return chosen;
}

/** How far, on average, the best logit begins above the mean: beyond the largest of K Gumbel numbers (about ln K + 0.6). */
const initialGap = 15;

/**
 * First weights that use the whole codebook. With random ones the logits share one direction, a few codes win everywhere
 * and, in a short training, the others never come back (the collapse of openai/DALL-E#8, DALLE-pytorch#99). Here the last
 * convolution of the untrained encoder measures the distance to well spread features of real pictures: its logits are
 * −s|f − f_k|²/2 up to what is common to all codes.
 * @param pixels `[batch, 3, size, size]` in [0, 1]; every picture gives rows·columns candidates.
 */
export async function initialiseDvae(
  configuration: DvaeConfiguration,
  specs: Parameters<typeof initialiseParameters>[0],
  pixels: HostArray,
  backend: Backend,
  key: Key,
): Promise<Map<string, HostArray>> {
  const parameters = initialiseParameters(specs, key);
  const graph = trace('dvae features', (scope) => {
    const { root } = createParameterTree(scope, 'state');
    scope.output('features', relu(encodeFeatures(root.child('encoder'), mapPixels(scope.input('pixels', pixels.shape)), configuration)));
  });
  const state = await backend.createState(parameters);
  const program = await backend.compile(graph, { state });
  let planes: HostArray | undefined;
  try {
    planes = (await program.run({ pixels })).features;
  } finally {
    program.dispose();
    state.dispose();
  }
  if (planes === undefined) throw new TesseraeError('backend-failure', 'The encoder gave no features.', { remedy: 'Report this.' });
  const [batch = 0, width = 0, rows = 0, columns = 0] = planes.shape;
  const positions = rows * columns;
  const features = new Float32Array(batch * positions * width);
  for (let picture = 0; picture < batch; picture += 1) {
    for (let channel = 0; channel < width; channel += 1) {
      for (let position = 0; position < positions; position += 1) {
        features[(picture * positions + position) * width + channel] = planes.data[(picture * width + channel) * positions + position] ?? 0;
      }
    }
  }
  const { codebookSize } = configuration;
  const chosen = spreadRows(features, width, codebookSize, deriveKey(key, 'codebook'));
  // The scale, from a sample of positions.
  let gap = 0;
  let sampled = 0;
  const stride = Math.max(1, Math.floor((batch * positions) / 100));
  for (let row = 0; row < batch * positions; row += stride) {
    let best = Number.NEGATIVE_INFINITY;
    let mean = 0;
    for (const prototype of chosen) {
      const score = -squaredDistance(features, row * width, features, prototype * width, width) / 2;
      best = Math.max(best, score);
      mean += score / codebookSize;
    }
    gap += best - mean;
    sampled += 1;
  }
  const scale = initialGap / Math.max(1e-12, gap / sampled);
  const weight = new Float32Array(codebookSize * width);
  const bias = new Float32Array(codebookSize);
  chosen.forEach((prototype, code) => {
    let norm = 0;
    for (let channel = 0; channel < width; channel += 1) {
      const value = features[prototype * width + channel] ?? 0;
      weight[code * width + channel] = scale * value;
      norm += value * value;
    }
    bias[code] = (-scale * norm) / 2;
  });
  parameters.set('encoder.output.weight', float32Array([codebookSize, width, 1, 1], weight));
  parameters.set('encoder.output.bias', float32Array([codebookSize], bias));
  return parameters;
}
