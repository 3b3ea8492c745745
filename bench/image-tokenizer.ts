import {
  argMax,
  createParameterTree,
  createTrainingStep,
  deriveKey,
  float32Array,
  type Graph,
  initialiseParameters,
  initialTrainingState,
  keyFromSeed,
  type ParameterScope,
  type Picture,
  type TraceScope,
  trace,
  uniformArray,
  weightsFromArrays,
} from '@tesserae/core';
import { createImageTokenizer, type DvaeConfiguration, decodeCodes, downsamplingOf, dvaeTrainingLoss, encode, mapPixels, pixelsFromMaps, planarPixels } from '@tesserae/dvae';
import { type Benchmark, figure, rates, shares } from './benchmark.js';
import { countFlops } from './count-flops.js';
import { matrixProduct } from './matrix-product.js';
import { interleave, timed } from './measure.js';

/** What `tesserae train` makes when nothing is said about it. */
const configuration: DvaeConfiguration = { kind: 'dvae', imageSize: 64, codebookSize: 512, hidden: 32, groups: 4, blocksPerGroup: 1, decoderInput: 64, residualGain: 0.5 };
const batch = 16;
const size = configuration.imageSize;
const side = size / downsamplingOf(configuration);

/** One half alone, as the tokenizer compiles it, to count its operations. */
function half(name: string, body: (scope: TraceScope, parameters: ParameterScope) => void): Graph {
  return trace(name, (scope) => body(scope, createParameterTree(scope, 'constant').root));
}

const encoding = (): Graph =>
  half('encode', (scope, parameters) => {
    scope.output('codes', argMax(encode(parameters.child('encoder'), mapPixels(scope.input('pixels', [batch, 3, size, size])), configuration), 1));
  });

const decoding = (): Graph =>
  half('decode', (scope, parameters) => {
    scope.output('pixels', pixelsFromMaps(decodeCodes(parameters.child('decoder'), scope.input('codes', [batch, side, side], 'int32'), configuration)));
  });

export const imageTokenizer: Benchmark = {
  name: 'image-tokenizer',
  summary: 'a training step of the discrete VAE, and pictures to codes and back',
  rounds: 9,
  async run({ backend, rounds }) {
    const key = keyFromSeed(1);
    const pictures = Array.from(
      { length: batch },
      (_, index): Picture => ({ width: size, height: size, data: Uint8Array.from(uniformArray(deriveKey(key, index), size * size * 3), (value) => Math.floor(value * 256)) }),
    );
    const pixels = new Float32Array(batch * 3 * size * size);
    pictures.forEach(({ data }, index) => {
      planarPixels(data, pixels, index * data.length);
    });
    const step = createTrainingStep(
      'train image tokenizer',
      dvaeTrainingLoss(configuration, batch, {
        temperature: { kind: 'cosine', from: 1, to: 1 / 16, steps: 1000 },
        klWeight: { kind: 'cosine', from: 0, to: 0.2, steps: 200 },
        minimumLogScale: -2,
        usageWeight: 0.02,
      }),
      { learningRate: { kind: 'constant', value: 1e-3 }, weightDecay: 1e-4, clipNorm: 10, ema: 0.999 },
    );
    const inputs = {
      pixels: float32Array([batch, 3, size, size], pixels),
      noise: float32Array([batch, configuration.codebookSize, side, side], uniformArray(deriveKey(key, 'noise'), batch * configuration.codebookSize * side * side)),
    };
    const state = await backend.createState(initialTrainingState(step, key));
    const program = await backend.compile(step.graph, { state });
    const tokenizer = createImageTokenizer({ configuration, weights: weightsFromArrays(initialiseParameters(step.specs.values(), key)), backend, batch });
    const product = await matrixProduct(backend);
    try {
      const codes = await tokenizer.encode(pictures);
      const seconds = await interleave(
        {
          step: () => timed(() => program.run(inputs)),
          product: product.run,
          encode: () => timed(() => tokenizer.encode(pictures)),
          decode: () => timed(() => tokenizer.decode(codes, tokenizer.grid)),
        },
        rounds,
        2,
      );
      const flops = { step: countFlops(step.graph), encode: countFlops(encoding()), decode: countFlops(decoding()) };
      const plain = rates(product.flops / 1e9, seconds.product);
      const own = rates(flops.step.total / 1e9, seconds.step);
      const both = seconds.encode.map((taken, round) => taken + (seconds.decode[round] ?? Number.NaN));
      const perPicture = (count: number): string => `${(count / batch / 1e9).toFixed(3)} GFLOP`;
      return {
        setting: `64×64 pixels, 512 codes, hidden 32, 4 groups of 1 block, batch ${batch}; a picture takes ${perPicture(flops.step.total)} in a training step, ${perPicture(flops.encode.total)} to encode, ${perPicture(flops.decode.total)} to decode`,
        figures: [
          figure('training step', 'GFLOP/s', own),
          figure('training step', 'images/s', rates(batch, seconds.step)),
          figure('plain matrix products, 1024³', 'GFLOP/s', plain),
          figure('step / plain', '%', shares(own, plain)),
          figure('encode', 'images/s', rates(batch, seconds.encode)),
          figure('encode', 'GFLOP/s', rates(flops.encode.total / 1e9, seconds.encode)),
          figure('decode', 'images/s', rates(batch, seconds.decode)),
          figure('decode', 'GFLOP/s', rates(flops.decode.total / 1e9, seconds.decode)),
          figure('encode + decode', 'images/s', rates(batch, both)),
        ],
      };
    } finally {
      program.dispose();
      tokenizer.dispose();
      product.dispose();
      state.dispose();
    }
  },
};
