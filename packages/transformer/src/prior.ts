import {
  type Backend,
  type CallOptions,
  checkModelWeights,
  createParameterTree,
  crossEntropy,
  type DecodedRow,
  type DecodeRequest,
  type Graph,
  type GraphLogits,
  type HostArray,
  type ImagePrior,
  int32Array,
  negate,
  type Question,
  reduceSum,
  TesseraeError,
  trace,
  type WeightSource,
} from '@tesserae/core';
import { conditionValues, declareCondition } from './condition.js';
import { conditioningOf, conditionOf } from './condition-choices.js';
import { imageLengthOf, type PriorConfiguration, parsePriorConfiguration } from './configuration.js';
import { batchWithin } from './decode-budget.js';
import { checkRequest, knownRows } from './decode-request.js';
import { createSession, type DecodeSession, emptyDecodeState } from './decode-session.js';
import { type Decoding, decodeByRow, decodeByToken, prefill } from './decode-steps.js';
import type { DecodeBatch } from './layer-cache.js';
import { createLeasePool } from './lease-pool.js';
import { samplingPlan } from './sampling.js';
import { priorLogits, priorParameters } from './transformer.js';
import { type WeightPrecision, weightsInPrecision } from './weight-precision.js';

export interface TransformerPriorOptions {
  readonly config: PriorConfiguration;
  /** Parameters by path (`priorParameters`). An engine may map them (`WeightSource.location`); programs then share them. */
  readonly weights: WeightSource;
  readonly backend: Backend;
  /** Most candidates decoded together, as far as `memoryBudget` allows. Default 16. */
  readonly maximumBatch?: number;
  /** Bytes that the caches of candidates decoded together may take, with guidance. One candidate is always decoded. Default 1 GiB. */
  readonly memoryBudget?: number;
  /**
   * How the matrices that every token reads whole are held: as they are, or in 8 or 4 bits with a scale for every block of weights.
   * Fewer bytes are read faster where the engine multiplies by codes; where it does not, only the values change. Default float32.
   */
  readonly dtype?: WeightPrecision;
}

/** Batch shapes whose caches and programs are kept between calls. */
const keptSessions = 4;

function evidenceGraph(configuration: PriorConfiguration, batch: number): Graph {
  return trace('log-probability', (scope) => {
    const parameters = createParameterTree(scope, 'constant').root;
    const given = declareCondition(scope, configuration, batch);
    const codes = scope.input('codes', [batch, imageLengthOf(configuration)], 'int32');
    const { image } = priorLogits(parameters, configuration, given, codes);
    scope.output('logProbability', negate(reduceSum(crossEntropy(image, codes), { axes: [1] })));
  });
}

/**
 * A trained transformer as an `ImagePrior`. Decodes a row of tokens a program call; with a `host` change of the scores
 * it goes token by token: one model call, one copy of the caches and one sampling call a token instead of a row.
 * Several decodings may run at once; each takes its own caches.
 * @throws TesseraeError `invalid-argument` for a wrong configuration, `model-incompatible` when the weights do not fit it.
 */
export function createTransformerPrior(options: TransformerPriorOptions): ImagePrior {
  const { config, weights: given, backend, maximumBatch: most = 16, memoryBudget = 2 ** 30, dtype = 'float32' } = options;
  const configuration = parsePriorConfiguration(config);
  checkModelWeights('prior', priorParameters(configuration), given);
  const weights = weightsInPrecision(given, configuration, dtype);
  if (!Number.isInteger(most) || most < 1) {
    throw new TesseraeError('invalid-argument', `A prior cannot decode ${most} candidates together.`, {
      remedy: 'Use a maximumBatch of at least 1.',
      details: { maximumBatch: most },
    });
  }
  const maximumBatch = batchWithin(configuration, memoryBudget, most);
  const positions = imageLengthOf(configuration);
  const numbers = new WeakMap<GraphLogits, number>();
  let nextNumber = 0;
  const numberOf = (change: GraphLogits): number => {
    const known = numbers.get(change);
    if (known !== undefined) return known;
    numbers.set(change, nextNumber);
    nextNumber += 1;
    return nextNumber - 1;
  };

  const decodeSessions = createLeasePool<DecodeSession>(
    keptSessions,
    async (kind) => {
      const [candidates = 1, branches = 1, span = 1] = kind.split('×').map(Number);
      return createSession({ backend, weights, initialState: emptyDecodeState(configuration, { candidates, branches, span }) });
    },
    (session) => session.dispose(),
  );
  const evidenceSessions = createLeasePool<DecodeSession>(
    1,
    () => createSession({ backend, weights }),
    (session) => session.dispose(),
  );
  let disposed = false;
  const checkAlive = (): void => {
    if (disposed) throw new TesseraeError('resource-disposed', 'The prior was disposed.', { remedy: 'Create a new one.' });
  };

  async function* decode(request: DecodeRequest, { signal }: CallOptions = {}): AsyncGenerator<DecodedRow> {
    checkAlive();
    signal?.throwIfAborted();
    checkRequest(request, configuration, maximumBatch);
    const { columns, rows } = configuration.grid;
    const tokens = request.known.map((known) => Int32Array.from(known));
    // Refused before anything is leased or yielded.
    conditionValues(configuration, request.branches);
    const changes = request.logits ?? [];
    const byToken = changes.some(({ host }) => host !== undefined);
    const plan = samplingPlan(request.sampling, configuration.codebookSize, byToken ? [] : changes.flatMap(({ graph }) => graph ?? []));
    const { leading, trailingFrom } = knownRows(request, configuration);
    const batch: DecodeBatch = { candidates: request.candidates.length, branches: request.branches.length, span: byToken ? 1 : columns };
    const rowOf = (row: number): DecodedRow => ({ row, tokens: tokens.map((all) => all.slice(row * columns, (row + 1) * columns)) });

    for (let row = 0; row < leading; row += 1) yield rowOf(row);
    if (leading < trailingFrom) {
      const kind = `${batch.candidates}×${batch.branches}×${batch.span}`;
      const session = await decodeSessions.acquire(kind);
      try {
        const decoding: Decoding = { configuration, batch, request, plan, session, tokens, signal, numberOf };
        let scores: HostArray = await prefill(decoding, leading * columns);
        for (let row = leading; row < trailingFrom; row += 1) {
          if (byToken) scores = await decodeByToken(decoding, row, scores);
          else await decodeByRow(decoding, row);
          yield rowOf(row);
        }
      } finally {
        decodeSessions.release(kind, session);
      }
    }
    for (let row = Math.max(leading, trailingFrom); row < rows; row += 1) yield rowOf(row);
  }

  return {
    specificationVersion: 'v1',
    grid: configuration.grid,
    codebookSize: configuration.codebookSize,
    conditioning: conditioningOf(configuration),
    // Features take the place of ids.
    textLength: conditionOf(configuration).kind === 'features' ? 0 : configuration.textLength,
    maximumBatch,
    decode,
    async logProbability(given, codes, { signal } = {}) {
      checkAlive();
      if (given.length !== codes.length) {
        throw new TesseraeError('invalid-argument', `There are ${given.length} questions for ${codes.length} pictures.`, { remedy: 'Give one question a picture.' });
      }
      const questions = given.map((question): Question => (question instanceof Int32Array ? { text: question } : question));
      conditionValues(configuration, questions);
      const wrong = codes.find((picture) => picture.length !== positions || picture.some((code) => code < 0 || code >= configuration.codebookSize));
      if (wrong !== undefined) {
        throw new TesseraeError('invalid-argument', 'A picture has codes that do not fit this prior.', {
          remedy: `Give ${positions} codes from 0 to ${configuration.codebookSize - 1}.`,
        });
      }
      const results = new Float64Array(questions.length);
      await evidenceSessions.lease('', async (session) => {
        for (let start = 0; start < questions.length; ) {
          // Powers of two: few different programs, and little of the last batch is filling.
          const wanted = questions.length - start;
          const size = Math.min(maximumBatch, 2 ** Math.ceil(Math.log2(wanted)));
          const some = new Int32Array(size * positions);
          for (const [index, row] of codes.slice(start, start + size).entries()) some.set(row, index * positions);
          const told = Array.from({ length: size }, (_, index): Question => questions[start + index] ?? { text: new Int32Array() });
          const inputs = { ...conditionValues(configuration, told), codes: int32Array([size, positions], some) };
          const { logProbability } = await session.run(`${size}`, () => evidenceGraph(configuration, size), inputs, signal);
          results.set(Array.from(logProbability?.data ?? []).slice(0, wanted), start);
          start += size;
        }
      });
      return results;
    },
    dispose() {
      disposed = true;
      decodeSessions.dispose();
      evidenceSessions.dispose();
    },
  };
}
