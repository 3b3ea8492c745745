import {
  deriveKey,
  float32Array,
  type Graph,
  type HostArray,
  type ImagePrior,
  initialiseParameters,
  keyFromSeed,
  loop,
  matMul,
  normalArray,
  reduceMax,
  sizeOf,
  trace,
  uniform,
  weightsFromArrays,
} from '@tesserae/core';
import { createTransformerPrior, imageLengthOf, type PriorConfiguration, priorParameters } from '@tesserae/transformer';
import { type Benchmark, figure, rates, shares } from './benchmark.js';
import { interleave, timed } from './measure.js';

const configuration: PriorConfiguration = {
  kind: 'prior',
  width: 512,
  layers: 8,
  heads: 8,
  textVocabularySize: 2048,
  textLength: 32,
  grid: { rows: 16, columns: 16 },
  codebookSize: 2048,
  attention: 'full',
};

/** Rows of the grid that are timed: all but the first, whose call also reads the text. */
const timedRows = configuration.grid.rows - 1;
const timedTokens = timedRows * configuration.grid.columns;

const key = keyFromSeed(1);

/** Whether all of a weight is read for every token. Of the embedding tables only rows are. */
function isReadWhole(name: string): boolean {
  return name.startsWith('blocks.') || name.startsWith('norm.') || name.startsWith('head.image.');
}

/** Makes a picture's codes for each candidate; the seconds from the end of the first row to the last. */
async function decodePicture(prior: ImagePrior, candidates: number): Promise<number> {
  const numbers = Array.from({ length: candidates }, (_, candidate) => candidate);
  const rows = prior.decode({
    branches: [{ text: Int32Array.of(5, 6, 7), weight: 1 }],
    known: numbers.map(() => new Int32Array(imageLengthOf(configuration)).fill(-1)),
    candidates: numbers,
    sampling: { temperature: 1 },
    uniform: (candidate, position) => uniform(deriveKey(key, candidate), position),
  });
  const iterator = rows[Symbol.asyncIterator]();
  await iterator.next();
  return timed(async () => {
    while ((await iterator.next()).done !== true);
  });
}

/** Width of the plain product's square matrices: 16 MiB each, far above any cache. */
const plainSize = 2048;

/**
 * `[1, k] × [k, n]` products over `parameters` weights in all, once an iteration of a loop of a row's length: as large a
 * set as the model's, so that a cache helps neither, and called as often.
 */
function plainProducts(parameters: number): { readonly graph: Graph; readonly weights: Map<string, HostArray> } {
  const whole = Math.floor(parameters / plainSize ** 2);
  const rest = Math.floor((parameters - whole * plainSize ** 2) / plainSize);
  const weights = new Map<string, HostArray>();
  const graph = trace('matrix-vector products', (scope) => {
    const weight = (name: string, columns: number) => {
      const values = normalArray(deriveKey(key, name), plainSize * columns).map((value) => value / Math.sqrt(plainSize));
      weights.set(name, float32Array([plainSize, columns], values));
      return scope.constant(name, [plainSize, columns]);
    };
    const squares = Array.from({ length: whole }, (_, index) => weight(`square.${index}`, plainSize));
    const last = rest > 0 ? weight('rest', rest) : undefined;
    const results = loop(scope, configuration.grid.columns, [scope.input('x', [1, plainSize])], (_, [x]) => {
      const y = squares.reduce((value, square) => (value === undefined ? value : matMul(value, square)), x);
      return y === undefined ? { carried: [] } : { carried: [y], stacked: [reduceMax(last === undefined ? y : matMul(y, last))] };
    });
    const [stacked] = results.stacked;
    if (stacked !== undefined) scope.output('largest', stacked);
  });
  return { graph, weights };
}

export const decode: Benchmark = {
  name: 'decode',
  summary: 'tokens a second in the decode loop, and weights read against plain matrix-vector products',
  rounds: 7,
  async run({ backend, rounds }) {
    const parameters = priorParameters(configuration);
    const prior = createTransformerPrior({ config: configuration, weights: weightsFromArrays(initialiseParameters(parameters.values(), key)), backend });
    const readPerToken = Array.from(parameters.values()).reduce((sum, { name, shape }) => sum + (isReadWhole(name) ? sizeOf(shape) : 0), 0);
    const plain = plainProducts(readPerToken);
    const program = await backend.compile(plain.graph, { weights: weightsFromArrays(plain.weights) });
    const plainParameters = Array.from(plain.weights.values()).reduce((sum, { data }) => sum + data.length, 0);
    const x = float32Array([1, plainSize], normalArray(deriveKey(key, 'x'), plainSize));
    try {
      const seconds = await interleave(
        {
          one: () => decodePicture(prior, 1),
          plain: () =>
            timed(async () => {
              for (let row = 0; row < timedRows; row += 1) await program.run({ x });
            }),
          eight: () => decodePicture(prior, 8),
        },
        rounds,
      );
      const own = rates((4 * readPerToken * timedTokens) / 1e9, seconds.one);
      const possible = rates((4 * plainParameters * timedTokens) / 1e9, seconds.plain);
      return {
        setting: `float32, width 512, 8 layers, 8 heads, text 32, image 16×16, vocabulary 2048; ${((4 * readPerToken) / 1e6).toFixed(1)} MB of weights read a token; rows 2 to 16 of a picture`,
        figures: [
          figure('weights read, batch 1', 'GB/s', own),
          figure('weights read by plain products', 'GB/s', possible),
          figure('decode / plain', '%', shares(own, possible), 60),
          figure('batch 1', 'tokens/s', rates(timedTokens, seconds.one)),
          figure('batch 8', 'tokens/s', rates(8 * timedTokens, seconds.eight)),
        ],
      };
    } finally {
      program.dispose();
      prior.dispose();
    }
  },
};
