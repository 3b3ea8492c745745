import { countFlops } from '@tesserae/core';
import type { PriorConfiguration } from '@tesserae/transformer';
import { type Benchmark, figure, rates, shares } from './benchmark.js';
import { matrixProduct } from './matrix-product.js';
import { interleave, timed } from './measure.js';
import { priorStep } from './prior-step.js';

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
    const { step, state: initial, inputs } = priorStep(configuration, { batch });
    const state = await backend.createState(initial);
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
