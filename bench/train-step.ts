import { countFlops, createTrainingStep, deriveKey, initialTrainingState, int32Array, keyFromSeed, uniformArray } from '@tesserae/core';
import { imageLengthOf, type PriorConfiguration, priorTrainingLoss } from '@tesserae/transformer';
import { type Benchmark, figure, rates, shares } from './benchmark.js';
import { matrixProduct } from './matrix-product.js';
import { interleave, timed } from './measure.js';

const batch = 8;

/** 320 positions: start and 64 of text, 255 of the image (the last code is only predicted). Both heads have 2048 rows. */
const configuration: PriorConfiguration = {
  kind: 'prior',
  width: 256,
  layers: 6,
  heads: 8,
  textVocabularySize: 2048 - 64,
  textLength: 64,
  grid: { rows: 16, columns: 16 },
  codebookSize: 2048,
  attention: 'full',
};

export const trainStep: Benchmark = {
  name: 'train-step',
  summary: 'a whole training step of a GPT-shaped prior against plain matrix products',
  rounds: 9,
  async run({ backend, rounds }) {
    const key = keyFromSeed(1);
    const positions = imageLengthOf(configuration);
    // The options that `tesserae train` uses: decay, clipping and the average are part of a whole step.
    const step = createTrainingStep('train step', priorTrainingLoss(configuration, { batch }), {
      learningRate: { kind: 'constant', value: 3e-4 },
      beta2: 0.96,
      weightDecay: 4.5e-2,
      clipNorm: 4,
      ema: 0.99,
    });
    const ids = (name: string, count: number, bound: number): Int32Array => Int32Array.from(uniformArray(deriveKey(key, name), count), (value) => Math.floor(value * bound));
    const inputs = {
      text: int32Array([batch, configuration.textLength], ids('text', batch * configuration.textLength, configuration.textVocabularySize)),
      codes: int32Array([batch, positions], ids('codes', batch * positions, configuration.codebookSize)),
    };
    const state = await backend.createState(initialTrainingState(step, key));
    const program = await backend.compile(step.graph, { state });
    const product = await matrixProduct(backend);
    try {
      const seconds = await interleave({ step: () => timed(() => program.run(inputs)), product: product.run }, rounds, 2);
      const flops = countFlops(step.graph).total;
      const parameters = Array.from(step.specs.values(), ({ shape }) => shape.reduce((count, length) => count * length, 1)).reduce((sum, count) => sum + count, 0);
      const own = rates(flops / 1e9, seconds.step);
      const plain = rates(product.flops / 1e9, seconds.product);
      return {
        setting: `forward, gradients and AdamW; width 256, 6 layers, 8 heads, 320 positions, batch ${batch}, vocabulary 2048, ${(parameters / 1e6).toFixed(1)} M parameters, ${(flops / 1e9).toFixed(1)} GFLOP a step, ${step.graph.nodes.length} nodes`,
        figures: [
          figure('training step', 'GFLOP/s', own, 60),
          figure('plain matrix products, 1024³', 'GFLOP/s', plain),
          figure('step / plain', '%', shares(own, plain)),
          figure(
            'time of a step',
            'ms',
            seconds.step.map((taken) => taken * 1000),
          ),
          figure('positions learnt from', 'tokens/s', rates(batch * 320, seconds.step)),
        ],
      };
    } finally {
      program.dispose();
      product.dispose();
      state.dispose();
    }
  },
};
