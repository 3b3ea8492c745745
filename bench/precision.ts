import { fileURLToPath } from 'node:url';
import { argMax, createParameterTree, crossEntropy, type Graph, type HostArray, int32Array, reduceMean, trace } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import { drawScene, type SampleOptions, sampleExample } from '@tesserae/datasets';
import { createImageTokenizer, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import {
  imageLengthOf,
  type PriorConfiguration,
  padText,
  parsePriorConfiguration,
  priorLogits,
  textTokenizerFromFile,
  type WeightPrecision,
  weightPrecisions,
  weightsInPrecision,
} from '@tesserae/transformer';
import { type Benchmark, cost, figure } from './benchmark.js';

const modelFolder = fileURLToPath(new URL('../models/scenes', import.meta.url));
const batch = 20;
/** Batches of pictures with one object, and as many with two. */
const batchesOfAKind = 5;
const kinds: readonly SampleOptions['kind'][] = ['one', 'two'];

/** The likeliest token of every position after the true ones before it, and the nats of the true one. */
function nextTokensGraph(configuration: PriorConfiguration): Graph {
  return trace('next-tokens', (scope) => {
    const codes = scope.input('codes', [batch, imageLengthOf(configuration)], 'int32');
    const given = { text: scope.input('text', [batch, configuration.textLength], 'int32') };
    const { image } = priorLogits(createParameterTree(scope, 'constant').root, configuration, given, codes);
    scope.output('likeliest', argMax(image, -1));
    scope.output('nats', reduceMean(crossEntropy(image, codes)));
  });
}

export const precision: Benchmark = {
  name: 'precision',
  summary: 'how often the bundled model in few bits finds the same next token likeliest as in float32, over its validation scenes',
  rounds: 1,
  async run({ backend }) {
    const model = await openModelFolder(modelFolder);
    const configuration = parsePriorConfiguration(await model.readJson('prior', 'config.json'));
    const texts = textTokenizerFromFile(await model.readJson('textTokenizer', 'tokenizer.json'), {});
    const pictures = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
    const tokenizer = createImageTokenizer({ configuration: pictures, weights: await model.openWeights('imageTokenizer'), backend, batch });
    const weights = await model.openWeights('prior');
    const graph = nextTokensGraph(configuration);
    const inputs: Record<string, HostArray>[] = [];
    for (const kind of kinds) {
      for (let start = 0; start < batchesOfAKind; start += 1) {
        const examples = Array.from({ length: batch }, (_, index) => sampleExample(0, 'validation', start * batch + index, { kind }));
        const codes = await tokenizer.encode(examples.map(({ scene }) => drawScene(scene, tokenizer.downsampling * tokenizer.grid.rows)));
        inputs.push({
          text: int32Array(
            [batch, configuration.textLength],
            examples.flatMap(({ caption }) => [...padText(configuration, texts.encode(caption).subarray(0, configuration.textLength))]),
          ),
          codes: int32Array(
            [batch, imageLengthOf(configuration)],
            codes.flatMap((all) => [...all]),
          ),
        });
      }
    }
    const likeliest = new Map<WeightPrecision, Int32Array>();
    const bits = new Map<WeightPrecision, number>();
    for (const dtype of weightPrecisions) {
      const program = await backend.compile(graph, { weights: weightsInPrecision(weights, configuration, dtype) });
      const found: number[] = [];
      let nats = 0;
      for (const values of inputs) {
        const results = await program.run(values);
        found.push(...(results.likeliest?.data ?? []));
        nats += (results.nats?.data[0] ?? Number.NaN) / inputs.length;
      }
      program.dispose();
      likeliest.set(dtype, Int32Array.from(found));
      bits.set(dtype, nats / Math.LN2);
    }
    tokenizer.dispose();
    const exact = likeliest.get('float32') ?? new Int32Array();
    const agreement = (dtype: WeightPrecision): number => (100 * exact.filter((token, index) => token === likeliest.get(dtype)?.[index]).length) / exact.length;
    return {
      setting: `models/scenes, ${inputs.length * batch} pictures that the training did not see, ${exact.length} tokens`,
      figures: [
        figure('int8, same token likeliest', '%', [agreement('int8')], 99),
        figure('int4, same token likeliest', '%', [agreement('int4')]),
        ...weightPrecisions.map((dtype) => cost(`${dtype}, bits of the true token`, 'bits', [bits.get(dtype) ?? Number.NaN])),
      ],
    };
  },
};
