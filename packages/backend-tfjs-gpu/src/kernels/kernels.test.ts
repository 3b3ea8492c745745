import { describe, expect, it } from 'vitest';
import { differenceFromReference, difficultGraphs } from '../__fixtures__/difficult-graphs.js';
import { createNodeTfjsBackend } from '../node/index.js';

describe.each(['wasm', 'cpu'] as const)('kernels on %s do what TensorFlow.js does not do by itself', (device) => {
  it.each(difficultGraphs)('$name', async (difficult) => {
    const backend = await createNodeTfjsBackend({ device });
    expect(await differenceFromReference(backend, difficult)).toBeLessThan(2e-5);
  });
});
