import { type Backend, conv2d, countFlops, deriveKey, float32Array, keyFromSeed, normalArray, reduceMax, trace } from '@tesserae/core';
import { type Contestant, timed } from './measure.js';

const [batch, channels, size, filterSize] = [4, 128, 64, 3] as const;
/** So many in one run that copying the inputs in does not count. */
const convolutions = 3;

/** The machine's convolution peak: plain 3×3 convolutions of 128 maps to 128 through the same engine, weights not packed beforehand. */
export async function plainConvolution(backend: Backend): Promise<{ readonly flops: number; readonly run: Contestant; readonly dispose: () => void }> {
  const graph = trace('plain convolution', (scope) => {
    const filter = scope.input('filter', [channels, channels, filterSize, filterSize]);
    let x = scope.input('x', [batch, channels, size, size]);
    for (let index = 0; index < convolutions; index += 1) x = conv2d(x, filter, { padding: 1 });
    scope.output('largest', reduceMax(x));
  });
  const program = await backend.compile(graph);
  const key = keyFromSeed(1);
  const fanIn = channels * filterSize ** 2;
  const inputs = {
    x: float32Array([batch, channels, size, size], normalArray(deriveKey(key, 'x'), batch * channels * size * size)),
    // Keeps the numbers' size from convolution to convolution.
    filter: float32Array(
      [channels, channels, filterSize, filterSize],
      normalArray(deriveKey(key, 'filter'), channels * fanIn).map((value) => value / Math.sqrt(fanIn)),
    ),
  };
  return { flops: countFlops(graph).total, run: () => timed(() => program.run(inputs)), dispose: () => program.dispose() };
}
