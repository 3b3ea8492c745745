import {
  type Backend,
  createParameterTree,
  deriveKey,
  float32Array,
  type HostArray,
  initialiseParameters,
  type Key,
  type ParameterSpec,
  permutation,
  TesseraeError,
  trace,
  weightsFromArrays,
} from '@tesserae/core';
import { clusterRows } from './cluster-rows.js';
import { type DvaeConfiguration, downsamplingOf } from './configuration.js';
import { mapPixels } from './likelihood.js';
import { embedContinuously } from './warm-up.js';

/**
 * How far, on average, the best logit begins above the mean. Neighbouring codes are much nearer than the mean one: at 60 the
 * Gumbel numbers still moved a position among some ten of them, and the decoder learned to blur.
 */
const initialGap = 600;

/** Pictures embedded in one run: more cost memory and are not faster. */
const embeddedTogether = 32;

/** Bottleneck vectors of `perPicture` positions of each picture, chosen by `key`: [pictures·perPicture, decoderInput]. */
async function embedPictures(configuration: DvaeConfiguration, { warm, pixels, backend, key }: DvaeInitialisation, perPicture: number): Promise<Float32Array> {
  const [pictures = 0, channels = 0, height = 0, width = 0] = pixels.shape;
  const picture = channels * height * width;
  const graph = trace('dvae bottleneck', (scope) => {
    const { root } = createParameterTree(scope, 'constant');
    scope.output('embedded', embedContinuously(root, mapPixels(scope.input('pixels', [embeddedTogether, channels, height, width])), configuration));
  });
  const program = await backend.compile(graph, { weights: weightsFromArrays(warm) });
  const depth = configuration.decoderInput;
  const vectors = new Float32Array(pictures * perPicture * depth);
  try {
    for (let start = 0; start < pictures; start += embeddedTogether) {
      const some = new Float32Array(embeddedTogether * picture);
      some.set(pixels.data.slice(start * picture, (start + embeddedTogether) * picture));
      const { embedded } = await program.run({ pixels: float32Array([embeddedTogether, channels, height, width], some) });
      if (embedded === undefined) throw new TesseraeError('backend-failure', 'The encoder gave nothing.', { remedy: 'Report this.' });
      const positions = (embedded.shape[2] ?? 0) * (embedded.shape[3] ?? 0);
      for (let row = 0; row < Math.min(embeddedTogether, pictures - start); row += 1) {
        const chosen = permutation(deriveKey(key, 'positions', start + row), positions);
        for (let index = 0; index < perPicture; index += 1) {
          const to = ((start + row) * perPicture + index) * depth;
          for (let channel = 0; channel < depth; channel += 1) vectors[to + channel] = embedded.data[(row * depth + channel) * positions + (chosen[index] ?? 0)] ?? 0;
        }
      }
    }
  } finally {
    program.dispose();
  }
  return vectors;
}

/** The factor on −|e − e_k|²/2 that puts the best logit `initialGap` above the mean, measured on a sample of the vectors. */
function logitScale(vectors: Float32Array, codebook: Float32Array, width: number): number {
  const rows = vectors.length / width;
  const codes = codebook.length / width;
  const stride = Math.max(1, Math.floor(rows / 100));
  let gap = 0;
  let sampled = 0;
  for (let row = 0; row < rows; row += stride) {
    let best = Number.NEGATIVE_INFINITY;
    let mean = 0;
    for (let code = 0; code < codes; code += 1) {
      let distance = 0;
      for (let channel = 0; channel < width; channel += 1) distance += ((vectors[row * width + channel] ?? 0) - (codebook[code * width + channel] ?? 0)) ** 2;
      best = Math.max(best, -distance / 2);
      mean -= distance / 2 / codes;
    }
    gap += best - mean;
    sampled += 1;
  }
  return initialGap / Math.max(1e-12, gap / Math.max(1, sampled));
}

export interface DvaeInitialisation {
  /** The parameters of the discrete model (`TrainingStep.specs`). */
  readonly specs: Iterable<ParameterSpec>;
  /** Parameters that training with `dvaeWarmUpLoss` gave. */
  readonly warm: ReadonlyMap<string, HostArray>;
  /** `[pictures, 3, size, size]` in [0, 1]. A few thousand show a codebook every colour beside every other. */
  readonly pixels: HostArray;
  readonly backend: Backend;
  readonly key: Key;
  /** Positions that are clustered, spread evenly over the pictures. Default 60,000, or all there are. */
  readonly clusteredPositions?: number;
  /**
   * How much a code must be worth to be used where a more frequent one is near (`ClusterOptions.rateWeight`). Default 0: always
   * the nearest, the codes as different as can be. At 1 the codes of the scenes took 3.5 nats each instead of 4.8, for a
   * quarter more squared distance (ADR 5).
   */
  readonly rateWeight?: number;
}

/**
 * First weights that use the whole codebook. With random ones the logits share one direction, a few codes win everywhere
 * and, in a short training, the others never come back (the collapse of openai/DALL-E#8, DALLE-pytorch#99). Here the codes
 * are cluster centres e_k of the bottleneck of a warmed-up autoencoder (`dvaeWarmUpLoss`): the decoder's codebook holds
 * them, and the encoder's last convolution measures the distance to them, its logits being −s(|We − e_k|² + penalty_k)/2 up
 * to what is common to all codes. The discrete model begins where the continuous one stopped, but for the rounding.
 */
export async function initialiseDvae(configuration: DvaeConfiguration, options: DvaeInitialisation): Promise<Map<string, HostArray>> {
  const { specs, warm, pixels, key, clusteredPositions = 60_000, rateWeight = 0 } = options;
  const { codebookSize, decoderInput } = configuration;
  const parameters = initialiseParameters(specs, key);
  for (const name of parameters.keys()) {
    const learned = warm.get(name);
    if (learned !== undefined) parameters.set(name, learned);
  }
  const bottleneck = warm.get('bottleneck.weight');
  if (bottleneck === undefined) throw new TesseraeError('invalid-argument', 'These weights have no bottleneck.', { remedy: 'Give the weights that dvaeWarmUpLoss trained.' });
  const features = bottleneck.shape[1] ?? 0;
  const [pictures = 1, , height = 0, width = 0] = pixels.shape;
  const positions = (height * width) / downsamplingOf(configuration) ** 2;
  const vectors = await embedPictures(configuration, options, Math.min(positions, Math.ceil(clusteredPositions / pictures)));
  const { centres: codebook, penalties } = clusterRows(vectors, { width: decoderInput, count: codebookSize, key: deriveKey(key, 'codebook'), rateWeight });
  const scale = logitScale(vectors, codebook, decoderInput);

  const columns = new Float32Array(decoderInput * codebookSize);
  const weight = new Float32Array(codebookSize * features);
  const bias = new Float32Array(codebookSize);
  for (let code = 0; code < codebookSize; code += 1) {
    let norm = 0;
    for (let channel = 0; channel < decoderInput; channel += 1) {
      const value = codebook[code * decoderInput + channel] ?? 0;
      columns[channel * codebookSize + code] = value;
      norm += value * value;
      for (let feature = 0; feature < features; feature += 1) {
        weight[code * features + feature] = (weight[code * features + feature] ?? 0) + scale * value * (bottleneck.data[channel * features + feature] ?? 0);
      }
    }
    bias[code] = (-scale * (norm + (penalties[code] ?? 0))) / 2;
  }
  parameters.set('encoder.output.weight', float32Array([codebookSize, features, 1, 1], weight));
  parameters.set('encoder.output.bias', float32Array([codebookSize], bias));
  parameters.set('decoder.input.weight', float32Array([decoderInput, codebookSize, 1, 1], columns));
  return parameters;
}
