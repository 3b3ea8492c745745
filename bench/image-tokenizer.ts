import {
  countFlops,
  createParameterTree,
  createTrainingStep,
  deriveKey,
  float32Array,
  type Graph,
  type HostArray,
  initialiseParameters,
  initialTrainingState,
  int32Array,
  keyFromSeed,
  type ParameterScope,
  type Picture,
  type Program,
  type TraceScope,
  trace,
  uniformArray,
  weightsFromArrays,
} from '@tesserae/core';
import { architectureOf, createImageTokenizer, type DvaeConfiguration, type DvaeSchedules, dvaeTrainingLoss, paperDvae, planarPixels } from '@tesserae/dvae';
import { type Benchmark, figure, rates, shares } from './benchmark.js';
import { matrixProduct } from './matrix-product.js';
import { interleave, timed } from './measure.js';
import { plainConvolution } from './plain-convolution.js';
import { profileOperators } from './profile.js';

interface Subject extends Pick<Benchmark, 'name' | 'summary' | 'rounds'> {
  readonly configuration: DvaeConfiguration;
  readonly batch: number;
  readonly objective: DvaeSchedules;
  readonly weightDecay: number;
}

/** One half alone, as the tokenizer compiles it. */
function half(name: string, body: (scope: TraceScope, parameters: ParameterScope) => void): Graph {
  return trace(name, (scope) => body(scope, createParameterTree(scope, 'constant').root));
}

function benchmarkOf({ name, summary, rounds: usualRounds, configuration, batch, objective, weightDecay }: Subject): Benchmark {
  const { imageSize: size, codebookSize, hidden, groups, blocksPerGroup } = configuration;
  const architecture = architectureOf(configuration);
  const side = size / architecture.downsampling;
  const encoding = half('encode', (scope, parameters) => {
    scope.output('codes', architecture.codes(parameters, scope.input('pixels', [batch, 3, size, size])));
  });
  const decoding = half('decode', (scope, parameters) => {
    scope.output('pixels', architecture.pixels(parameters, scope.input('codes', [batch, side, side], 'int32')));
  });
  return {
    name,
    summary,
    rounds: usualRounds,
    async run({ backend, rounds, openProfiled }) {
      const key = keyFromSeed(1);
      const pictures = Array.from(
        { length: batch },
        (_, index): Picture => ({ width: size, height: size, data: Uint8Array.from(uniformArray(deriveKey(key, index), size * size * 3), (value) => Math.floor(value * 256)) }),
      );
      const pixels = new Float32Array(batch * 3 * size * size);
      pictures.forEach(({ data }, index) => {
        planarPixels(data, pixels, index * data.length);
      });
      const step = createTrainingStep('training step', dvaeTrainingLoss(configuration, batch, objective), {
        learningRate: { kind: 'constant', value: 1e-4 },
        weightDecay,
        clipNorm: 10,
        ema: 0.999,
      });
      const inputs = {
        pixels: float32Array([batch, 3, size, size], pixels),
        noise: float32Array([batch, codebookSize, side, side], uniformArray(deriveKey(key, 'noise'), batch * codebookSize * side * side)),
      };
      const initial = initialTrainingState(step, key);
      const weights = weightsFromArrays(initialiseParameters(step.specs.values(), key));
      // Before the timed programs are compiled: two of them would need twice the memory.
      const profiles = await profileOperators(openProfiled, async (profiled) => {
        const profiledState = await profiled.createState(initial);
        const programs: readonly { readonly program: Program; readonly given: Readonly<Record<string, HostArray>> }[] = [
          { program: await profiled.compile(step.graph, { state: profiledState }), given: inputs },
          { program: await profiled.compile(encoding, { weights }), given: { pixels: inputs.pixels } },
          {
            program: await profiled.compile(decoding, { weights }),
            given: {
              codes: int32Array(
                [batch, side, side],
                Int32Array.from(uniformArray(deriveKey(key, 'codes'), batch * side * side), (value) => Math.floor(value * codebookSize)),
              ),
            },
          },
        ];
        // The first run is slower than the others.
        for (const { program: one, given } of programs) for (let run = 0; run < 4; run += 1) await one.run(given);
        for (const { program: one } of programs) one.dispose();
        profiledState.dispose();
      });
      const state = await backend.createState(initial);
      const program = await backend.compile(step.graph, { state });
      const tokenizer = createImageTokenizer({ configuration, weights, backend, batch });
      const [product, convolution] = [await matrixProduct(backend), await plainConvolution(backend)];
      try {
        const codes = await tokenizer.encode(pictures);
        const seconds = await interleave(
          {
            step: () => timed(() => program.run(inputs)),
            product: product.run,
            convolution: convolution.run,
            encode: () => timed(() => tokenizer.encode(pictures)),
            decode: () => timed(() => tokenizer.decode(codes, tokenizer.grid)),
          },
          rounds,
          2,
        );
        const flops = { step: countFlops(step.graph), encode: countFlops(encoding), decode: countFlops(decoding) };
        const gigaflops = (count: number, taken: readonly number[]): number[] => rates(count / 1e9, taken);
        const peak = gigaflops(convolution.flops, seconds.convolution);
        const plain = gigaflops(product.flops, seconds.product);
        const own = gigaflops(flops.step.total, seconds.step);
        const bothSeconds = seconds.encode.map((taken, round) => taken + (seconds.decode[round] ?? Number.NaN));
        const both = gigaflops(flops.encode.total + flops.decode.total, bothSeconds);
        const perPicture = (count: number): string => `${(count / batch / 1e9).toFixed(3)} GFLOP`;
        return {
          setting: `${size}×${size} pixels, ${codebookSize} codes, hidden ${hidden}, ${groups} groups of ${blocksPerGroup} ${blocksPerGroup === 1 ? 'block' : 'blocks'}, batch ${batch}; a picture takes ${perPicture(flops.step.total)} in a training step, ${perPicture(flops.encode.total)} to encode, ${perPicture(flops.decode.total)} to decode`,
          figures: [
            figure('plain 3×3 convolutions', 'GFLOP/s', peak),
            figure('plain matrix products, 1024³', 'GFLOP/s', plain),
            figure('training step', 'GFLOP/s', own),
            figure('training step', 'images/s', rates(batch, seconds.step)),
            figure('step / plain convolutions', '%', shares(own, peak)),
            figure('step / plain products', '%', shares(own, plain)),
            figure('encode', 'images/s', rates(batch, seconds.encode)),
            figure('encode', 'GFLOP/s', gigaflops(flops.encode.total, seconds.encode)),
            figure('decode', 'images/s', rates(batch, seconds.decode)),
            figure('decode', 'GFLOP/s', gigaflops(flops.decode.total, seconds.decode)),
            figure('encode + decode', 'images/s', rates(batch, bothSeconds)),
            figure('encode + decode', 'GFLOP/s', both),
            figure('encode + decode / plain convolutions', '%', shares(both, peak)),
          ],
          profiles,
        };
      } finally {
        program.dispose();
        tokenizer.dispose();
        product.dispose();
        convolution.dispose();
        state.dispose();
      }
    },
  };
}

/** What `tesserae train` makes when nothing is said about it. */
export const imageTokenizer = benchmarkOf({
  name: 'image-tokenizer',
  summary: 'a training step of the discrete VAE, and pictures to codes and back',
  rounds: 9,
  configuration: { kind: 'dvae', imageSize: 64, codebookSize: 512, hidden: 32, groups: 4, blocksPerGroup: 1, decoderInput: 64, residualGain: 0.5 },
  batch: 16,
  objective: {
    temperature: { kind: 'cosine', from: 1, to: 1 / 16, steps: 1000 },
    klWeight: { kind: 'cosine', from: 0, to: 0.2, steps: 200 },
    minimumLogScale: -2,
    usageWeight: 0.02,
  },
  weightDecay: 1e-4,
});

/** The paper's architecture, objective and picture size, a quarter as wide. */
export const paperImageTokenizer = benchmarkOf({
  name: 'image-tokenizer-256',
  summary: "the paper's discrete VAE at 256×256, a quarter as wide: a training step, and pictures to codes and back",
  rounds: 5,
  configuration: { ...paperDvae, hidden: 64 },
  batch: 1,
  objective: { temperature: { kind: 'cosine', from: 1, to: 1 / 16, steps: 150_000 }, klWeight: { kind: 'cosine', from: 0, to: 6.6, steps: 5000 } },
  weightDecay: 1e-4,
});
