import { type Backend, createParameterTree, deriveKey, float32Array, keyFromSeed, type Picture, trace, uniformArray, type WeightSource } from '@tesserae/core';
import { architectureOf, type ImageTokenizerConfiguration, pictureFromPlanes, planarPixels, relaxedReconstruction } from '@tesserae/dvae';

/** τ as training goes through them: from 1 to the 1/16 at which the paper's decoder is as good with hard codes (Appendix A). */
export const shownTemperatures = [
  { name: '1', value: 1 },
  { name: '1/4', value: 1 / 4 },
  { name: '1/16', value: 1 / 16 },
] as const;

/**
 * What the decoder sees in training instead of codes: each picture at every shown temperature, with Gumbel noise of a fixed seed. Nothing for
 * architectures without a relaxation. All pictures have one size, a multiple of the downsampling.
 */
export async function relaxedPictures(
  pictures: readonly Picture[],
  options: { readonly configuration: ImageTokenizerConfiguration; readonly weights: WeightSource; readonly backend: Backend; readonly signal: AbortSignal },
): Promise<readonly (readonly Picture[])[] | undefined> {
  const { configuration, weights, backend, signal } = options;
  const relaxed = relaxedReconstruction(configuration);
  const [{ width, height } = { width: 0, height: 0 }] = pictures;
  if (relaxed === undefined || pictures.length === 0) return undefined;
  const { downsampling } = architectureOf(configuration);
  const [rows, columns, codes] = [height / downsampling, width / downsampling, configuration.codebookSize];
  // One picture at a time: the noise of a large codebook is large.
  const graph = trace('relaxed reconstruction', (scope) => {
    const { root } = createParameterTree(scope, 'constant');
    const noise = scope.input('noise', [1, codes, rows, columns]);
    scope.output('pixels', relaxed(root, scope.input('pixels', [1, 3, height, width]), noise, scope.input('temperature', [])));
  });
  const program = await backend.compile(graph, { weights, signal });
  try {
    const shown: Picture[][] = [];
    for (const [index, { data }] of pictures.entries()) {
      const pixels = new Float32Array(3 * width * height);
      planarPixels(data, pixels, 0);
      const noise = float32Array([1, codes, rows, columns], uniformArray(deriveKey(keyFromSeed(0), 'report', index), codes * rows * columns));
      const own: Picture[] = [];
      for (const { value } of shownTemperatures) {
        const results = await program.run({ pixels: float32Array([1, 3, height, width], pixels), noise, temperature: float32Array([], [value]) }, { signal });
        own.push(pictureFromPlanes(results.pixels?.data as Float32Array, 0, width, height));
      }
      shown.push(own);
    }
    return shown;
  } finally {
    program.dispose();
  }
}
