import {
  type Backend,
  createParameterTree,
  deriveKey,
  float32Array,
  type HostArray,
  initialiseParameters,
  type Key,
  type ParameterSpec,
  TesseraeError,
  trace,
  weightsFromArrays,
} from '@tesserae/core';
import { clusterRows } from './cluster-rows.js';
import type { DvaeConfiguration } from './configuration.js';
import { mapPixels } from './likelihood.js';
import { embedContinuously } from './warm-up.js';

/**
 * How far, on average, the best logit begins above the mean. Neighbouring codes are much nearer than the mean one: at 60 the
 * Gumbel numbers still moved a position among some ten of them, and the decoder learned to blur.
 */
const initialGap = 600;

/** Bottleneck vectors of every position of some pictures: [positions, decoderInput]. */
async function embedPictures(configuration: DvaeConfiguration, warm: ReadonlyMap<string, HostArray>, pixels: HostArray, backend: Backend): Promise<Float32Array> {
  const graph = trace('dvae bottleneck', (scope) => {
    const { root } = createParameterTree(scope, 'constant');
    scope.output('embedded', embedContinuously(root, mapPixels(scope.input('pixels', pixels.shape)), configuration));
  });
  const program = await backend.compile(graph, { weights: weightsFromArrays(warm) });
  let planes: HostArray | undefined;
  try {
    planes = (await program.run({ pixels })).embedded;
  } finally {
    program.dispose();
  }
  if (planes === undefined) throw new TesseraeError('backend-failure', 'The encoder gave nothing.', { remedy: 'Report this.' });
  const [batch = 0, width = 0, rows = 0, columns = 0] = planes.shape;
  const positions = rows * columns;
  const vectors = new Float32Array(batch * positions * width);
  for (let picture = 0; picture < batch; picture += 1) {
    for (let channel = 0; channel < width; channel += 1) {
      for (let position = 0; position < positions; position += 1) {
        vectors[(picture * positions + position) * width + channel] = planes.data[(picture * width + channel) * positions + position] ?? 0;
      }
    }
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

/**
 * First weights that use the whole codebook. With random ones the logits share one direction, a few codes win everywhere
 * and, in a short training, the others never come back (the collapse of openai/DALL-E#8, DALLE-pytorch#99). Here the codes
 * are cluster centres e_k of the bottleneck of a warmed-up autoencoder (`dvaeWarmUpLoss`): the decoder's codebook holds
 * them, and the encoder's last convolution measures the distance to them, its logits being −s|We − e_k|²/2 up to what is
 * common to all codes. The discrete model begins where the continuous one stopped, but for the rounding.
 * @param specs the parameters of the discrete model (`TrainingStep.specs`)
 * @param warm parameters that training with `dvaeWarmUpLoss` gave
 * @param pixels `[batch, 3, size, size]` in [0, 1]; every picture gives rows·columns candidates
 */
export async function initialiseDvae(
  configuration: DvaeConfiguration,
  specs: Iterable<ParameterSpec>,
  warm: ReadonlyMap<string, HostArray>,
  pixels: HostArray,
  backend: Backend,
  key: Key,
): Promise<Map<string, HostArray>> {
  const { codebookSize, decoderInput } = configuration;
  const parameters = initialiseParameters(specs, key);
  for (const name of parameters.keys()) {
    const learned = warm.get(name);
    if (learned !== undefined) parameters.set(name, learned);
  }
  const bottleneck = warm.get('bottleneck.weight');
  if (bottleneck === undefined) throw new TesseraeError('invalid-argument', 'These weights have no bottleneck.', { remedy: 'Give the weights that dvaeWarmUpLoss trained.' });
  const features = bottleneck.shape[1] ?? 0;
  const vectors = await embedPictures(configuration, warm, pixels, backend);
  const codebook = clusterRows(vectors, decoderInput, codebookSize, deriveKey(key, 'codebook'));
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
    bias[code] = (-scale * norm) / 2;
  }
  parameters.set('encoder.output.weight', float32Array([codebookSize, features, 1, 1], weight));
  parameters.set('encoder.output.bias', float32Array([codebookSize], bias));
  parameters.set('decoder.input.weight', float32Array([decoderInput, codebookSize, 1, 1], columns));
  return parameters;
}
