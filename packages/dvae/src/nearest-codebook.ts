import { type Backend, createParameterTree, float32Array, type HostArray, type Key, TesseraeError, trace, weightsFromArrays } from '@tesserae/core';
import { architectureOf } from './architectures.js';
import { clusterRows } from './cluster-rows.js';
import type { VqVaeConfiguration } from './vq-vae/configuration.js';
import type { VqganConfiguration } from './vqgan/configuration.js';

/** Pictures encoded at once. */
const batchSize = 16;

/**
 * Puts the codebook where the latents are: the centres of what the encoder, as it is, makes of `pixels` [pictures, 3, size, size]. A codebook drawn
 * around zero is met by few latents, and codes that are never nearest never move (dead codes; Łańcucki et al. 2020, §3). Needs at least as many
 * places as codes. Gives all weights with a new `quantizer.codebook.weight`.
 */
export async function initialiseCodebook(
  configuration: VqganConfiguration | VqVaeConfiguration,
  options: { readonly weights: ReadonlyMap<string, HostArray>; readonly pixels: HostArray; readonly backend: Backend; readonly key: Key },
): Promise<Map<string, HostArray>> {
  const { weights, pixels, backend, key } = options;
  const { latents, downsampling } = architectureOf(configuration);
  if (latents === undefined)
    throw new TesseraeError('invalid-argument', 'This tokenizer compares nothing with a codebook: its codes come from logits.', {
      remedy: "Use the quantizer 'nearest' or 'nearest-normalised'.",
    });
  const { codebookSize } = configuration;
  const [count = 0, channels = 3, height = 0, width = 0] = pixels.shape;
  const picture = channels * height * width;
  const graph = trace('latent vectors', (scope) => {
    scope.output('vectors', latents(createParameterTree(scope, 'constant').root, scope.input('pixels', [batchSize, channels, height, width])));
  });
  const program = await backend.compile(graph, { weights: weightsFromArrays(weights) });
  const codeWidth = weights.get('quantizer.codebook.weight')?.shape[1] ?? 1;
  const perPicture = (height * width * codeWidth) / downsampling ** 2;
  const all = new Float32Array(count * perPicture);
  try {
    for (let start = 0; start < count; start += batchSize) {
      // The last batch is filled up with black pictures, whose vectors are left out.
      const some = new Float32Array(batchSize * picture);
      some.set(pixels.data.subarray(start * picture, (start + batchSize) * picture));
      const { vectors } = await program.run({ pixels: float32Array([batchSize, channels, height, width], some) });
      all.set(vectors?.data.subarray(0, Math.min(batchSize, count - start) * perPicture) ?? [], start * perPicture);
    }
  } finally {
    program.dispose();
  }
  const { centres } = clusterRows(all, { width: codeWidth, count: codebookSize, key });
  return new Map([...weights, ['quantizer.codebook.weight', float32Array([codebookSize, codeWidth], centres)]]);
}
