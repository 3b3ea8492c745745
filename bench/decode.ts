import {
  type Backend,
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
import { createTransformerPrior, type PriorConfiguration, priorParameters } from '@tesserae/transformer';
import { type Benchmark, figure, rates, shares } from './benchmark.js';
import { interleave, timed } from './measure.js';

const smallPrior: PriorConfiguration = {
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

export const paperPrior: PriorConfiguration = {
  kind: 'prior',
  width: 1024,
  layers: 8,
  heads: 16,
  textVocabularySize: 8192,
  textLength: 256,
  grid: { rows: 32, columns: 32 },
  codebookSize: 8192,
  attention: 'paper',
};

const key = keyFromSeed(1);

/** Whether all of a weight is read for every token. Of the embedding tables only rows are. */
function isReadWhole(name: string): boolean {
  return name.startsWith('blocks.') || name.startsWith('norm.') || name.startsWith('head.image.');
}

/** Makes the first `rows` rows of a picture for each candidate; the seconds that each row took. The first one's also read the text. */
async function decodeRows(prior: ImagePrior, candidates: number, rows: number): Promise<number[]> {
  const numbers = Array.from({ length: candidates }, (_, candidate) => candidate);
  const decoded = prior.decode({
    branches: [{ text: Int32Array.of(5, 6, 7), weight: 1 }],
    known: numbers.map(() => new Int32Array(prior.grid.rows * prior.grid.columns).fill(-1)),
    candidates: numbers,
    sampling: { temperature: 1 },
    uniform: (candidate, position) => uniform(deriveKey(key, candidate), position),
  });
  const seconds: number[] = [];
  let started = performance.now();
  for await (const { row } of decoded) {
    const now = performance.now();
    seconds.push((now - started) / 1000);
    started = now;
    if (row === rows - 1) break;
  }
  return seconds;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The seconds of all rows but the first. */
const afterTheText = (rows: readonly number[]): number => sum(rows.slice(1));

/** Weights a prior reads for every token. */
const readPerTokenOf = (configuration: PriorConfiguration): number =>
  sum(Array.from(priorParameters(configuration).values(), ({ name, shape }) => (isReadWhole(name) ? sizeOf(shape) : 0)));

/** Width of the plain product's square matrices: 16 MiB each, far above any cache. */
const plainSize = 2048;

/**
 * `[1, k] × [k, n]` products over `parameters` weights in all, once an iteration of a loop of a row's length: as large a
 * set as the model's, so that a cache helps neither; `count` iterations.
 */
function plainProducts(parameters: number, count: number): { readonly graph: Graph; readonly weights: Map<string, HostArray> } {
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
    const results = loop(scope, count, [scope.input('x', [1, plainSize])], (_, [x]) => {
      const y = squares.reduce((value, square) => (value === undefined ? value : matMul(value, square)), x);
      return y === undefined ? { carried: [] } : { carried: [y], stacked: [reduceMax(last === undefined ? y : matMul(y, last))] };
    });
    const [stacked] = results.stacked;
    if (stacked !== undefined) scope.output('largest', stacked);
  });
  return { graph, weights };
}

/** Plain products that read what a prior reads, as a contestant: the bytes and the seconds of `calls` rows. */
async function openPlainProducts(backend: Backend, configuration: PriorConfiguration) {
  const { graph, weights } = plainProducts(readPerTokenOf(configuration), configuration.grid.columns);
  const program = await backend.compile(graph, { weights: weightsFromArrays(weights) });
  const x = float32Array([1, plainSize], normalArray(deriveKey(key, 'x'), plainSize));
  return {
    bytesPerToken: 4 * sum(Array.from(weights.values(), ({ data }) => data.length)),
    read: (calls: number): Promise<number> =>
      timed(async () => {
        for (let call = 0; call < calls; call += 1) await program.run({ x });
      }),
    dispose: () => program.dispose(),
  };
}

export const decode: Benchmark = {
  name: 'decode',
  summary: 'tokens a second in the decode loop, and weights read against plain matrix-vector products',
  rounds: 7,
  async run({ backend, rounds }) {
    const { grid } = smallPrior;
    // All but the first, whose call also reads the text.
    const timedRows = grid.rows - 1;
    const timedTokens = timedRows * grid.columns;
    const weights = weightsFromArrays(initialiseParameters(priorParameters(smallPrior).values(), key));
    const prior = createTransformerPrior({ config: smallPrior, weights, backend });
    const plain = await openPlainProducts(backend, smallPrior);
    const readPerToken = 4 * readPerTokenOf(smallPrior);
    try {
      const seconds = await interleave(
        {
          one: async () => afterTheText(await decodeRows(prior, 1, grid.rows)),
          plain: () => plain.read(timedRows),
          eight: async () => afterTheText(await decodeRows(prior, 8, grid.rows)),
        },
        rounds,
      );
      const own = rates((readPerToken * timedTokens) / 1e9, seconds.one);
      const possible = rates((plain.bytesPerToken * timedTokens) / 1e9, seconds.plain);
      return {
        setting: `float32, width 512, 8 layers, 8 heads, text 32, image 16×16, vocabulary 2048; ${(readPerToken / 1e6).toFixed(1)} MB of weights read a token; rows 2 to 16 of a picture`,
        figures: [
          figure('weights read, batch 1', 'GB/s', own),
          figure('weights read by plain products', 'GB/s', possible),
          figure('decode / plain', '%', shares(own, possible), 60),
          figure('batch 1', 'tokens/s', rates(timedTokens, seconds.one)),
          figure('batch 8', 'tokens/s', rates(8 * timedTokens, seconds.eight)),
        ],
      };
    } finally {
      plain.dispose();
      prior.dispose();
    }
  },
};

/** Rows that are timed of a picture of the larger prior: a whole one has 1,024 tokens. */
const someRows = 5;

export const decodePaper: Benchmark = {
  name: 'decode-paper',
  summary: "the decode loop at 1,024 image tokens with the paper's attention: float32, int8, int4, batches, and the last row against the first",
  rounds: 5,
  async run({ backend, rounds }) {
    const { grid } = paperPrior;
    const tokens = (someRows - 1) * grid.columns;
    const weights = weightsFromArrays(initialiseParameters(priorParameters(paperPrior).values(), key));
    const priors = {
      float32: createTransformerPrior({ config: paperPrior, weights, backend }),
      int8: createTransformerPrior({ config: paperPrior, weights, backend, dtype: 'int8' }),
      int4: createTransformerPrior({ config: paperPrior, weights, backend, dtype: 'int4' }),
    };
    const plain = await openPlainProducts(backend, paperPrior);
    const readPerToken = 4 * readPerTokenOf(paperPrior);
    const some = (prior: ImagePrior, candidates: number) => async (): Promise<number> => afterTheText(await decodeRows(prior, candidates, someRows));
    try {
      const seconds = await interleave(
        {
          one: some(priors.float32, 1),
          plain: () => plain.read(someRows - 1),
          int8: some(priors.int8, 1),
          int4: some(priors.int4, 1),
          eight: some(priors.float32, 8),
          eightInt8: some(priors.int8, 8),
        },
        rounds,
      );
      // Neighbours of the first and the last row are taken in: one row is half a second.
      const whole: number[][] = [];
      for (let picture = 0; picture < 3; picture += 1) whole.push(await decodeRows(priors.float32, 1, grid.rows));
      const own = rates((readPerToken * tokens) / 1e9, seconds.one);
      const possible = rates((plain.bytesPerToken * tokens) / 1e9, seconds.plain);
      const [one, eight] = [rates(tokens, seconds.one), rates(8 * tokens, seconds.eight)];
      const [int8, int4] = [rates(tokens, seconds.int8), rates(tokens, seconds.int4)];
      return {
        setting: `width 1024, 8 layers, 16 heads, text 256, image 32×32, vocabulary 8192, the paper's attention; ${(readPerToken / 1e6).toFixed(0)} MB of float32 weights read a token; rows 2 to ${someRows}`,
        figures: [
          figure('weights read, float32, batch 1', 'GB/s', own),
          figure('weights read by plain products', 'GB/s', possible),
          figure('decode / plain', '%', shares(own, possible), 85),
          figure('float32, batch 1', 'tokens/s', one),
          figure('int8, batch 1', 'tokens/s', int8),
          figure('int8 / float32', '%', shares(int8, one), 250),
          figure('int4, batch 1', 'tokens/s', int4),
          figure('int4 / float32', '%', shares(int4, one)),
          figure('float32, batch 8', 'tokens/s', eight),
          figure('float32, batch 8 / batch 1', '%', shares(eight, one), 400),
          figure('int8, batch 8', 'tokens/s', rates(8 * tokens, seconds.eightInt8)),
          figure(
            'speed of the last 3 rows / rows 2 to 4',
            '%',
            whole.map((rows) => (100 * sum(rows.slice(1, 4))) / sum(rows.slice(-3))),
            100 / 1.15,
          ),
        ],
      };
    } finally {
      plain.dispose();
      for (const prior of Object.values(priors)) prior.dispose();
    }
  },
};
