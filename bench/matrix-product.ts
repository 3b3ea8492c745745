import { type Backend, countFlops, deriveKey, float32Array, keyFromSeed, matMul, normalArray, reduceMax, trace } from '@tesserae/core';
import { type Contestant, timed } from './measure.js';

const size = 1024;
/** So many in one run that copying the inputs in does not count. */
const products = 6;

/** The machine's plain rate: 1024³ products of float32 matrices through the same engine, weights not packed beforehand. */
export async function matrixProduct(backend: Backend): Promise<{ readonly flops: number; readonly run: Contestant; readonly dispose: () => void }> {
  const graph = trace('matrix product', (scope) => {
    const weight = scope.input('weight', [size, size]);
    let x = scope.input('x', [size, size]);
    for (let index = 0; index < products; index += 1) x = matMul(x, weight);
    scope.output('largest', reduceMax(x));
  });
  const program = await backend.compile(graph);
  const key = keyFromSeed(1);
  const inputs = {
    x: float32Array([size, size], normalArray(deriveKey(key, 'x'), size * size)),
    // Keeps the numbers' size from product to product.
    weight: float32Array(
      [size, size],
      normalArray(deriveKey(key, 'weight'), size * size).map((value) => value / Math.sqrt(size)),
    ),
  };
  return { flops: countFlops(graph).total, run: () => timed(() => program.run(inputs)), dispose: () => program.dispose() };
}
