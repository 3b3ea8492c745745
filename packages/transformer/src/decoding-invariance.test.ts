import {
  type Backend,
  createGenerator,
  createParameterTree,
  type DecodeRequest,
  deriveKey,
  type Generator,
  type GuidanceBranch,
  type HostArray,
  type ImagePrior,
  int32Array,
  type Key,
  keyFromSeed,
  permutation,
  type Sampling,
  type SamplingPlugin,
  samplingUniform,
  trace,
  uniform,
  uniformInteger,
} from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { mockImageTokenizer, mockTextTokenizer } from '@tesserae/core/test';
import { afterAll, describe, expect, it } from 'vitest';
import { engines } from '../../backend-onnx/src/__fixtures__/engines.js';
import { lively, sourceOf, tinyConfiguration } from './__fixtures__/tiny-prior.js';
import { conditionValues, declareCondition } from './condition.js';
import { type AttentionPattern, imageLengthOf, type PriorConfiguration, patternNames } from './configuration.js';
import { createTransformerPrior } from './prior.js';
import { priorLogits } from './transformer.js';
import { type WeightPrecision, weightPrecisions, weightsInPrecision } from './weight-precision.js';

// What decoding must never depend on: caches, batches, company, and the way the tokens before were come by. Requests are drawn at
// random from fixed keys; the truth is one pass of the whole model, without caches, over the finished tokens.

/** Wider than high, with kernels smaller than the grid: every pattern leaves something out, and the paper's wrap around. */
const small: PriorConfiguration = { ...tinyConfiguration, grid: { rows: 4, columns: 5 }, convolutionKernel: 3 };
const positions = imageLengthOf(small);
const everyToken = Array.from({ length: positions }, (_, position) => position);

const reference = createReferenceBackend();
const opened: ImagePrior[] = [];
afterAll(() => {
  for (const prior of opened) prior.dispose();
});

function priorOf(configuration: PriorConfiguration, { backend = reference, maximumBatch = 8 }: { readonly backend?: Backend; readonly maximumBatch?: number } = {}): ImagePrior {
  const prior = createTransformerPrior({ config: configuration, weights: sourceOf(lively(configuration)), backend, maximumBatch });
  opened.push(prior);
  return prior;
}

/** One of several, by the key alone. */
function drawn<Choice>(key: Key, choices: readonly Choice[]): Choice {
  const choice = choices[uniformInteger(key, choices.length)];
  if (choice === undefined) throw new RangeError('there is nothing to choose from');
  return choice;
}

/** What candidates may know beforehand, told by candidate and position. */
const prefixes = {
  nothing: () => false,
  'the same first tokens': (_, position) => position < 7,
  'first tokens of their own': (candidate, position) => position < 4 + 3 * candidate,
  'a first row': (_, position) => position < small.grid.columns,
  'tokens here and there': (candidate, position) => (position * 7 + candidate) % 4 === 0,
  'the last rows': (_, position) => position >= 2 * small.grid.columns,
} satisfies Readonly<Record<string, (candidate: number, position: number) => boolean>>;
type Prefix = keyof typeof prefixes;
const prefixNames = Object.keys(prefixes) as Prefix[];

const texts: readonly GuidanceBranch['text'][] = [Int32Array.of(2, 5), new Int32Array(), Int32Array.of(6, 0, 3)];
/** Without guidance, guided away from the empty text, and by three questions. */
const mixtures: readonly (readonly number[])[] = [[1], [2.5, -1.5], [1.5, -1, 0.5]];
const samplings: readonly Sampling[] = [{ temperature: 0 }, { temperature: 1 }, { temperature: 0.8, topK: 4 }];

interface Case {
  readonly prefix: Prefix;
  readonly request: DecodeRequest;
}

function caseOf(key: Key, { candidates, prefix, weights, sampling }: { candidates: number; prefix: Prefix; weights: readonly number[]; sampling: Sampling }): Case {
  const same = prefix === 'the same first tokens';
  return {
    prefix,
    request: {
      branches: weights.map((weight, index) => ({ text: texts[index] ?? new Int32Array(), weight })),
      known: Array.from({ length: candidates }, (_, candidate) =>
        Int32Array.from(everyToken, (position) =>
          prefixes[prefix](candidate, position) ? uniformInteger(deriveKey(key, 'known', same ? 0 : candidate), small.codebookSize, position) : -1,
        ),
      ),
      // Numbers of their own, not those of the rows they happen to stand in.
      candidates: Array.from({ length: candidates }, (_, row) => 3 * row + 1),
      sampling,
      uniform: (candidate, position) => uniform(deriveKey(key, 'uniform', candidate), position),
    },
  };
}

async function decode(prior: ImagePrior, request: DecodeRequest): Promise<number[][]> {
  const tokens: number[][] = request.candidates.map(() => []);
  for await (const row of prior.decode(request)) row.tokens.forEach((made, index) => tokens[index]?.push(...made));
  return tokens;
}

interface Model {
  readonly configuration: PriorConfiguration;
  readonly dtype?: WeightPrecision;
  readonly backend?: Backend;
}

/** Mixed scores [candidates][positions][codes] of finished tokens, by one pass without caches. No score sees its own token or a later one. */
async function scoresOf(
  { configuration, dtype = 'float32', backend = reference }: Model,
  branches: readonly GuidanceBranch[],
  tokens: readonly (readonly number[])[],
): Promise<number[][][]> {
  const rows = branches.length * tokens.length;
  const graph = trace('uncached', (scope) => {
    const codes = scope.input('codes', [rows, positions], 'int32');
    scope.output('scores', priorLogits(createParameterTree(scope, 'constant').root, configuration, declareCondition(scope, configuration, rows), codes).image);
  });
  const codes: HostArray = int32Array(
    [rows, positions],
    branches.flatMap(() => tokens.flat()),
  );
  const program = await backend.compile(graph, { weights: weightsInPrecision(sourceOf(lively(configuration)), configuration, dtype) });
  const { scores } = await program.run({ ...conditionValues(configuration, branches, tokens.length), codes });
  program.dispose();
  const size = configuration.codebookSize;
  return tokens.map((_, candidate) =>
    everyToken.map((position) =>
      Array.from({ length: size }, (_unused, code) =>
        branches.reduce((sum, { weight }, branch) => sum + weight * (scores?.data[((branch * tokens.length + candidate) * positions + position) * size + code] ?? Number.NaN), 0),
      ),
    ),
  );
}

/** Rounding of scores, and of sums of probabilities. */
const rounding = 1e-4;

/** Whether `token` is what `sampling` makes of the scores: the likeliest, or the inverse CDF at `at` in the order of the codes. */
function isChosen(scores: readonly number[], token: number, { temperature, topK = scores.length }: Sampling, at: number): boolean {
  const highest = Math.max(...scores);
  const chosen = scores[token] ?? Number.NEGATIVE_INFINITY;
  if (temperature === 0) return chosen >= highest - rounding;
  const least = [...scores].sort((a, b) => b - a)[topK - 1] ?? highest;
  const weights = scores.map((score) => (score >= least ? Math.exp((score - highest) / temperature) : 0));
  const share = (upTo: number): number => weights.slice(0, upTo).reduce((sum, weight) => sum + weight, 0) / weights.reduce((sum, weight) => sum + weight, 0);
  return chosen >= least && share(token) <= at + rounding && share(token + 1) >= at - rounding;
}

/** Every token that was made is what the uncached model chooses, and what was known is kept. Gives the tokens. */
async function expectUncached(prior: ImagePrior, model: Model, { prefix, request }: Case): Promise<number[][]> {
  const tokens = await decode(prior, request);
  const scores = await scoresOf(model, request.branches, tokens);
  tokens.forEach((made, index) => {
    expect(made).toHaveLength(positions);
    made.forEach((token, position) => {
      const where = `candidate ${index} of ${tokens.length}, position ${position}, ${request.branches.length} branches, ${JSON.stringify(request.sampling)}, knowing ${prefix}`;
      const known = request.known[index]?.[position] ?? -1;
      if (known >= 0) expect(token, where).toBe(known);
      else expect(isChosen(scores[index]?.[position] ?? [], token, request.sampling, request.uniform(request.candidates[index] ?? 0, position)), where).toBe(true);
    });
  });
  return tokens;
}

/** The request of some of its candidates, in another order perhaps. */
function only(request: DecodeRequest, rows: readonly number[]): DecodeRequest {
  return { ...request, candidates: rows.map((row) => request.candidates[row] ?? 0), known: rows.map((row) => request.known[row] ?? new Int32Array()) };
}

const attentions = [...(Object.keys(patternNames) as AttentionPattern[]), 'paper'] as const;
const withAttention = (attention: (typeof attentions)[number]): PriorConfiguration =>
  attention === 'paper' ? { ...small, layers: 4, attention } : { ...small, attention: [attention, attention] };

describe.each(attentions)('decoding with caches and %s attention', (attention) => {
  const configuration = withAttention(attention);
  const prior = priorOf(configuration);

  it('chooses what the uncached model chooses, whatever is known before, at any batch size, with and without guidance', async () => {
    const made = new Set<number>();
    for (const prefix of prefixNames) {
      const key = deriveKey(keyFromSeed(7), attention, prefix);
      const candidates = drawn(deriveKey(key, 'batch'), [1, 2, 3, 4, 5]);
      const request = { candidates, prefix, weights: drawn(deriveKey(key, 'guidance'), mixtures), sampling: drawn(deriveKey(key, 'sampling'), samplings) };
      for (const token of (await expectUncached(prior, { configuration }, caseOf(key, request))).flat()) made.add(token);
    }
    // The model is lively enough for this to mean something.
    expect(made.size).toBeGreaterThan(6);
  });

  it('makes a candidate the same in any company, by row and token by token', async () => {
    const key = deriveKey(keyFromSeed(8), attention);
    const prefix = drawn(deriveKey(key, 'prefix'), prefixNames.slice(0, -1));
    const { request } = caseOf(key, { candidates: 5, prefix, weights: drawn(deriveKey(key, 'guidance'), mixtures), sampling: { temperature: 0.9, topK: 7 } });
    const together = await decode(prior, request);
    expect(new Set(together.map(String)).size).toBe(5);
    const order = [...permutation(deriveKey(key, 'order'), 5)];
    for (const rows of [order.slice(0, 1), order.slice(1, 3), order]) {
      const some = only(request, rows);
      const expected = rows.map((row) => together[row]);
      expect(await decode(prior, some)).toEqual(expected);
      if (rows.length === 2) expect(await decode(prior, { ...some, logits: [{ name: 'look', host: () => undefined }] })).toEqual(expected);
    }
  });
});

describe('layers of different patterns', () => {
  // What a pattern leaves out must be left out behind and before a layer that leaves out nothing or something else.
  it.each(Object.keys(patternNames) as AttentionPattern[])('decode as the uncached model does, %s first or last, on a grid that is higher than wide', async (attention) => {
    for (const turn of [0, 1]) {
      const key = deriveKey(keyFromSeed(9), attention, turn);
      const other = drawn(deriveKey(key, 'other'), ['full', 'row', 'column', 'convLike'] as const);
      const configuration: PriorConfiguration = {
        ...small,
        grid: { rows: 5, columns: 4 },
        attention: turn === 0 ? [attention, other] : [other, attention],
        ...(turn === 0 ? {} : { condition: { kind: 'text', start: 'none', padding: 0 } }),
      };
      const request = {
        candidates: 2,
        prefix: drawn(deriveKey(key, 'prefix'), prefixNames),
        weights: drawn(deriveKey(key, 'guidance'), mixtures),
        sampling: drawn(key, samplings),
      };
      await expectUncached(priorOf(configuration), { configuration }, caseOf(key, request));
    }
  });
});

describe.each(engines)('on $name', (engine) => {
  it.each(weightPrecisions)('decoding in %s with the paper’s attention is that of the uncached model, alone and in company', async (dtype) => {
    const configuration = withAttention('paper');
    const backend = await engine.open();
    const prior = createTransformerPrior({ config: configuration, weights: sourceOf(lively(configuration)), backend, maximumBatch: 3, dtype });
    try {
      const given = caseOf(keyFromSeed(10), { candidates: 3, prefix: 'first tokens of their own', weights: [2.5, -1.5], sampling: { temperature: 0.9, topK: 6 } });
      const together = await expectUncached(prior, { configuration, dtype, backend }, given);
      expect(await decode(prior, only(given.request, [2]))).toEqual([together[2]]);
    } finally {
      prior.dispose();
      await backend.dispose();
    }
  });
});

describe('candidate k of a seed', () => {
  const configuration = withAttention('paper');
  const tokenizers = { imageTokenizer: mockImageTokenizer({ grid: small.grid, codebookSize: small.codebookSize }), textTokenizer: mockTextTokenizer(small.textVocabularySize) };
  /** What rerank does: more candidates than asked for, of which some are kept. */
  const oversampling: SamplingPlugin = {
    name: 'oversampling',
    specificationVersion: 'v1',
    async wrapGenerate(next, request) {
      const result = await next({ ...request, candidates: request.candidates * 3 });
      return { ...result, images: result.images.slice(-request.candidates) };
    },
  };
  const generatorOf = (maximumBatch: number, plugins: readonly SamplingPlugin[] = []): Generator =>
    createGenerator({ ...tokenizers, prior: priorOf(configuration, { maximumBatch }), plugins });

  it('is the same in any batch, with any total, from any first number, and chosen among more', async () => {
    const request = { prompt: 'ab', seed: 12, guidance: 2, temperature: 0.9 };
    const { images: all } = await generatorOf(6).generate({ ...request, candidates: 6 });
    expect(new Set(all.map(({ codes }) => String(codes))).size).toBe(6);
    const asked = [
      await generatorOf(1).generate({ ...request, candidates: 2 }),
      await generatorOf(4).generate({ ...request, candidates: 5 }),
      await generatorOf(2).generate({ ...request, candidates: 3, firstCandidate: 3 }),
      await generatorOf(5, [oversampling]).generate({ ...request, candidates: 2 }),
    ];
    const seen = asked.flatMap(({ images }) => images);
    expect(seen.map(({ candidate }) => candidate)).toEqual([0, 1, 0, 1, 2, 3, 4, 3, 4, 5, 4, 5]);
    for (const { candidate, codes } of seen) expect(codes).toEqual(all[candidate]?.codes);
  });

  it('is what the uncached model draws by the seed', async () => {
    const [image] = (await generatorOf(1).generate({ prompt: 'ab', seed: 12, firstCandidate: 4 })).images;
    const codes = [...(image?.codes ?? [])];
    const text = tokenizers.textTokenizer.encode('ab');
    const [scores = []] = await scoresOf({ configuration }, [{ text, weight: 1 }], [codes]);
    const at = samplingUniform(12);
    expect(everyToken.filter((position) => !isChosen(scores[position] ?? [], codes[position] ?? -1, { temperature: 1 }, at(4, position)))).toEqual([]);
  });
});
