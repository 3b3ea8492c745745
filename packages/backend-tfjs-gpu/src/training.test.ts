import {
  add,
  attention,
  type Backend,
  conv2dLayer,
  createTrainingStep,
  crossEntropy,
  deriveKey,
  float32Array,
  gelu,
  type HostArray,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  type LossFunction,
  layerNormLayer,
  linear,
  normalArray,
  reduceMean,
  reshape,
  transpose,
} from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { expect, it } from 'vitest';
import { createNodeTfjsBackend } from './node/index.js';

/** Pictures [2, 3, 8, 8] → 4×4 places of width 8 by a strided convolution → one layer of attention with two heads → 5 classes a place. */
const loss: LossFunction = ({ scope, parameters }) => {
  const pixels = scope.input('pixels', [2, 3, 8, 8]);
  const labels = scope.input('labels', [2, 16], 'int32');
  const features = conv2dLayer(parameters.child('patches'), pixels, { channels: 8, filterSize: 4, stride: 2, padding: 1 });
  const places = reshape(transpose(gelu(features), [0, 2, 3, 1]), [2, 16, 8]);
  const normal = layerNormLayer(parameters.child('norm'), places);
  // Without biases: softmax does not see the keys' one, whose gradient is rounding noise that Adam would scale up to whole steps.
  const heads = (name: string) => transpose(reshape(linear(parameters.child(name), normal, { features: 8, bias: false }), [2, 16, 2, 4]), [0, 2, 1, 3]);
  const mixed = reshape(transpose(attention(heads('query'), heads('key'), heads('value')), [0, 2, 1, 3]), [2, 16, 8]);
  const logits = linear(parameters.child('classes'), add(places, mixed), { features: 5 });
  return { loss: reduceMean(crossEntropy(logits, labels)) };
};

const step = createTrainingStep('train', loss, {
  learningRate: { kind: 'warmup-cosine', peak: 0.01, warmup: 2, final: 0.001, steps: 10 },
  weightDecay: 0.1,
  clipNorm: 1,
  ema: 0.99,
});
const key = keyFromSeed(7);
const initial = initialTrainingState(step, key);

function batch(index: number): Record<string, HostArray> {
  const numbers = normalArray(deriveKey(key, 'labels', index), 32);
  return {
    pixels: float32Array([2, 3, 8, 8], normalArray(deriveKey(key, 'pixels', index), 384)),
    labels: int32Array(
      [2, 16],
      Array.from(numbers, (value) => Math.floor(Math.abs(value) * 10) % 5),
    ),
  };
}

/** Five updates: what each reported, and the state after the last. */
async function train(backend: Backend): Promise<{ readonly reports: number[][]; readonly state: Map<string, HostArray> }> {
  const state = await backend.createState(initial);
  const program = await backend.compile(step.graph, { state });
  const reports: number[][] = [];
  for (let update = 0; update < 5; update += 1) {
    const results = await program.run(batch(update));
    reports.push(['loss', 'gradientNorm', 'learningRate'].map((name) => results[name]?.data[0] ?? Number.NaN));
  }
  const after = new Map<string, HostArray>();
  for (const name of state.types.keys()) after.set(name, await state.read(name));
  await backend.dispose();
  return { reports, state: after };
}

it('trains a convolution and attention as the reference backend does', async () => {
  const expected = await train(createReferenceBackend());
  const actual = await train(await createNodeTfjsBackend({ device: 'wasm' }));
  actual.reports.forEach((report, update) => report.forEach((value, index) => expect(Math.abs(value - (expected.reports[update]?.[index] ?? Number.NaN))).toBeLessThan(1e-4)));
  expect(actual.state.size).toBe(initial.size);
  for (const [name, { data }] of expected.state) {
    const worst = Math.max(...Array.from(data, (value, index) => Math.abs(value - (actual.state.get(name)?.data[index] ?? Number.NaN))));
    expect(worst, name).toBeLessThan(1e-4);
  }
  // It is training that agrees, not standing still.
  expect(actual.state.get('classes.weight')?.data).not.toEqual(initial.get('classes.weight')?.data);
});
