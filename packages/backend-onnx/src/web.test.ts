import { runConformance } from '@tesserae/core/conformance';
import * as web from 'onnxruntime-web';
import { expect, it } from 'vitest';
import { createOnnxBackend, type OnnxRuntime } from './index.js';

// The WebAssembly build that browsers load, here in Node. It shares its kernels with the native build, which passes the whole
// suite next door: here one variant of what lowers to an operator of its own, to several, or to none, and all state and loops.
const sample =
  /^(state|loop|cast|where|reduceMax: \[2, ?3\]|argMax|cumulativeSum|topValues|slice|pad|gather|scatterAdd|matMul: Aᵀ|conv2d\w*: (same|stride 2, odd)|softmax|layerNorm|attention: causal|\w+Pool2d|upsampleNearest2d|power: \[2,1,3\])/;

it('passes a sample of the conformance suite on WebAssembly', async () => {
  web.env.wasm.numThreads = 1;
  const backend = createOnnxBackend({ runtime: web as unknown as OnnxRuntime, device: 'wasm' });
  const results = await runConformance(backend, { only: sample });
  expect(results.filter(({ status }) => status !== 'passed')).toEqual([]);
  expect(results.length).toBeGreaterThan(100);
});
