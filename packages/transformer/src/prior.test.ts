import { add, type DecodeRequest, deriveKey, equal, type GraphLogits, type ImagePrior, keyFromSeed, multiply, type Question, reshape, uniform, where } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { afterAll, describe, expect, it } from 'vitest';
import { forward, lively, logSoftmaxOf, sourceOf, tinyConfiguration } from './__fixtures__/tiny-prior.js';
import type { PriorConfiguration } from './configuration.js';
import { createTransformerPrior } from './prior.js';

const backend = createReferenceBackend();
const priors: ImagePrior[] = [];
afterAll(() => {
  for (const prior of priors) prior.dispose();
});

function priorOf(configuration: PriorConfiguration, maximumBatch = 8): ImagePrior {
  const prior = createTransformerPrior({ config: configuration, weights: sourceOf(lively(configuration)), backend, maximumBatch });
  priors.push(prior);
  return prior;
}

const positions = 12;
const nothingKnown = (): Int32Array => new Int32Array(positions).fill(-1);
const knowing = (tokens: Readonly<Record<number, number>>): Int32Array => Int32Array.from({ length: positions }, (_, position) => tokens[position] ?? -1);

function requestOf(change: Partial<DecodeRequest> = {}): DecodeRequest {
  const key = keyFromSeed(3);
  const known = change.known ?? [nothingKnown()];
  return {
    branches: [{ text: Int32Array.of(2, 5), weight: 1 }],
    known,
    candidates: known.map((_, index) => index),
    sampling: { temperature: 0 },
    uniform: (candidate, position) => uniform(deriveKey(key, candidate), position),
    ...change,
  };
}

async function decodeAll(prior: ImagePrior, request: DecodeRequest): Promise<number[][]> {
  const tokens: number[][] = request.known.map(() => []);
  let next = 0;
  for await (const { row, tokens: made } of prior.decode(request)) {
    expect(row).toBe(next);
    next += 1;
    made.forEach((columns, candidate) => {
      tokens[candidate]?.push(...columns);
    });
  }
  return tokens;
}

/** The truth: the whole model runs again for every token, without caches, and the scores are read on the host. */
function decodeUncached(configuration: PriorConfiguration, request: DecodeRequest, change: (scores: number[], position: number) => number[] = (scores) => scores): number[][] {
  const weights = lively(configuration);
  return request.known.map((known) => {
    const tokens = Array.from(known);
    for (let position = 0; position < tokens.length; position += 1) {
      if ((tokens[position] ?? -1) >= 0) continue;
      const sofar = tokens.map((token, at) => (at < position ? token : 0));
      const branches = request.branches.map(({ text, weight }) => (forward(configuration, weights, [...text], sofar).image[position] ?? []).map((score) => score * weight));
      const mixed = change(
        (branches[0] ?? []).map((_, code) => branches.reduce((sum, scores) => sum + (scores[code] ?? 0), 0)),
        position,
      );
      tokens[position] = mixed.indexOf(Math.max(...mixed));
    }
    return tokens;
  });
}

const patterns: readonly PriorConfiguration['attention'][] = [
  'full',
  'paper',
  ['row', 'row', 'row'],
  ['column', 'column', 'column'],
  ['convolutional', 'convolutional', 'convolutional'],
  // What one layer keeps must not be taken for another's.
  ['axialRow', 'convLike', 'axialColumn'],
];
const guidance: DecodeRequest['branches'] = [
  { text: Int32Array.of(2, 5), weight: 2.5 },
  { text: new Int32Array(), weight: -1.5 },
];

describe('greedy decoding with caches', () => {
  it.each(patterns.map((pattern) => [pattern] as const))('makes the tokens of the uncached model with attention %s', async (pattern) => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, layers: 3, attention: pattern };
    const prior = priorOf(configuration);
    const requests = [
      requestOf(),
      // A known first row, differing between the candidates, and known tokens further on.
      requestOf({ known: [knowing({ 0: 3, 1: 1, 2: 4, 3: 1, 6: 9 }), knowing({ 0: 5, 1: 9, 2: 2, 3: 6 })] }),
      // The same first tokens for all candidates, some of a row, and a last row that is known.
      requestOf({ known: [knowing({ 0: 7, 1: 7, 8: 1, 9: 2, 10: 3, 11: 4 }), knowing({ 0: 7, 1: 7, 8: 4, 9: 3, 10: 2, 11: 1 })] }),
      requestOf({ branches: guidance, known: [nothingKnown(), knowing({ 0: 1, 1: 2, 2: 3, 3: 4, 4: 10 }), nothingKnown()] }),
    ];
    const made = new Set<number>();
    for (const request of requests) {
      const tokens = await decodeAll(prior, request);
      expect(tokens).toEqual(decodeUncached(configuration, request));
      tokens.forEach((all, candidate) => {
        for (const [position, token] of all.entries()) if (request.known[candidate]?.[position] === -1) made.add(token);
      });
    }
    // The model is lively enough for this to mean something.
    expect(made.size).toBeGreaterThan(2);
  });

  it('gives back what is known in whole, without a model call', async () => {
    const known = Int32Array.from({ length: positions }, (_, position) => position % 11);
    expect(await decodeAll(priorOf(tinyConfiguration), requestOf({ known: [known] }))).toEqual([[...known]]);
  });

  it('keeps decodings that run at once apart', async () => {
    const prior = priorOf(tinyConfiguration);
    const texts = [[1], [2, 3], [4, 5, 6]].map((text) => requestOf({ branches: [{ text: Int32Array.from(text), weight: 1 }] }));
    const alone = texts.map((request) => decodeUncached(tinyConfiguration, request));
    expect(await Promise.all(texts.map((request) => decodeAll(prior, request)))).toEqual(alone);
    expect(new Set(alone.map(String)).size).toBe(3);
  });
});

describe('sampled decoding', () => {
  const sampling = { temperature: 0.9, topK: 6, topP: 0.95 };

  it('makes a candidate the same in any batch and in any company', async () => {
    const prior = priorOf({ ...tinyConfiguration, attention: 'paper' });
    const known = [0, 1, 2, 3, 4].map(nothingKnown);
    const together = await decodeAll(prior, requestOf({ known, sampling }));
    expect(new Set(together.map(String)).size).toBe(5);
    for (const candidates of [[3], [4, 1], [2, 0, 3]]) {
      const some = await decodeAll(prior, requestOf({ known: candidates.map(nothingKnown), candidates, sampling }));
      expect(some).toEqual(candidates.map((candidate) => together[candidate]));
    }
  });

  it.each(patterns.map((pattern) => [pattern] as const))('is the inverse CDF of the uncached distribution at every position with attention %s', async (pattern) => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, layers: 3, attention: pattern };
    const request = requestOf({ sampling: { temperature: 1 }, known: [0, 1, 2, 3, 4, 5, 6, 7].map(nothingKnown) });
    const decoded = await decodeAll(priorOf(configuration), request);
    decoded.forEach((tokens, candidate) => {
      const { image } = forward(configuration, lively(configuration), [2, 5], tokens);
      tokens.forEach((token, position) => {
        const probabilities = logSoftmaxOf(image[position] ?? []).map(Math.exp);
        const below = probabilities.slice(0, token).reduce((sum, probability) => sum + probability, 0);
        expect(below).toBeLessThan(request.uniform(candidate, position) + 1e-5);
        expect(below + (probabilities[token] ?? 0)).toBeGreaterThan(request.uniform(candidate, position) - 1e-5);
      });
    });
  });

  it('samples the same tokens one by one for a host change that changes nothing', async () => {
    const prior = priorOf({ ...tinyConfiguration, attention: 'paper' });
    const known = [nothingKnown(), knowing({ 0: 3, 1: 3, 2: 3, 3: 3, 5: 8 })];
    const positionsSeen: number[] = [];
    const look = { name: 'look', host: ({ position }: { position: number }) => void positionsSeen.push(position) };
    const request = requestOf({ known, sampling, branches: guidance });
    expect(await decodeAll(prior, { ...request, logits: [look] })).toEqual(await decodeAll(prior, request));
    expect(positionsSeen).toEqual(Array.from({ length: positions }, (_, position) => position));
  });
});

describe('changes of the scores', () => {
  /** Forbids one code, and another one at position 4 only. */
  const forbid =
    (code: number): GraphLogits =>
    (logits) => {
      const codes = logits.builder.add('iota', [], { axis: 1, shape: logits.shape });
      return where(equal(codes, code), -1e9, logits);
    };
  const negateAtFour: GraphLogits = (logits, { position }) => multiply(logits, reshape(where(equal(position, 4), -1, 1), [1, 1]));
  const shift: GraphLogits = (logits) => add(multiply(logits, 1), 0);

  it('runs graph changes in the loop, in order and by position', async () => {
    const prior = priorOf(tinyConfiguration);
    const request = requestOf();
    const [plain = []] = decodeUncached(tinyConfiguration, request);
    const banned = plain[0] ?? 0;
    const logits = [
      { name: 'negate', graph: negateAtFour },
      { name: 'forbid', graph: forbid(banned) },
    ];
    const truth = decodeUncached(tinyConfiguration, request, (scores, position) => scores.map((score, code) => (code === banned ? -1e9 : position === 4 ? -score : score)));
    expect(await decodeAll(prior, { ...request, logits })).toEqual(truth);
    expect(truth.flat()).not.toContain(banned);
  });

  it('keeps their order when host changes stand between them', async () => {
    const prior = priorOf(tinyConfiguration);
    const request = requestOf({ known: [nothingKnown(), nothingKnown()], candidates: [5, 9] });
    // (−score at position 4), then + 100 for code 3 of candidate 9, then code 3 forbidden again by the last graph change at the end.
    const host = ({ scores, candidates, tokens, position }: { scores: Float32Array; candidates: readonly number[]; tokens: readonly Int32Array[]; position: number }): void => {
      expect(candidates).toEqual([5, 9]);
      expect(tokens.map((all) => all.indexOf(-1))).toEqual([position, position]);
      const row = candidates.indexOf(9);
      scores[row * 11 + 3] = (scores[row * 11 + 3] ?? 0) + 100;
    };
    const open = await decodeAll(prior, {
      ...request,
      logits: [
        { name: 'negate', graph: negateAtFour },
        { name: 'host', host },
      ],
    });
    expect(open[1]).toEqual(new Array<number>(positions).fill(3));
    expect(open[0]).toEqual(decodeUncached(tinyConfiguration, requestOf(), (scores, position) => (position === 4 ? scores.map((score) => -score) : scores))[0]);
    const closed = await decodeAll(prior, {
      ...request,
      logits: [
        { name: 'host', host },
        { name: 'same', graph: shift },
        { name: 'forbid', graph: forbid(3) },
      ],
    });
    expect(closed.flat()).not.toContain(3);
    expect(closed[0]).toEqual(closed[1]);
  });
});

describe('scores that are no numbers', () => {
  const forbidAll: GraphLogits = (logits) => where(equal(logits, logits), Number.NEGATIVE_INFINITY, logits);

  it.each([0, 1])('end decoding with the row in which no token could be drawn, at temperature %s', async (temperature) => {
    const weights = lively(tinyConfiguration);
    const bias = weights.get('head.image.weight');
    if (bias === undefined) throw new Error('no such weight');
    bias.data[5] = Number.NaN;
    const prior = createTransformerPrior({ config: tinyConfiguration, weights: sourceOf(weights), backend: createReferenceBackend() });
    const request = requestOf({ sampling: { temperature } });
    await expect(decodeAll(prior, request)).rejects.toMatchObject({ code: 'numerical-failure', message: expect.stringContaining('in row 0') });
    const look = { name: 'look', host: () => undefined };
    await expect(decodeAll(prior, { ...request, logits: [look] })).rejects.toMatchObject({ code: 'numerical-failure', message: expect.stringContaining('at position 0') });
  });

  it('are as good as all codes forbidden', async () => {
    const logits = [{ name: 'forbid all', graph: forbidAll }];
    await expect(decodeAll(priorOf(tinyConfiguration), requestOf({ logits }))).rejects.toMatchObject({
      code: 'numerical-failure',
      message: expect.stringContaining('every code is forbidden'),
    });
  });
});

describe('logProbability', () => {
  it('is the sum of log-softmax of the uncached forward pass, in any batch', async () => {
    const configuration: PriorConfiguration = { ...tinyConfiguration, attention: 'paper', layers: 3 };
    const weights = lively(configuration);
    const texts = [[], [1], [2, 3], [4, 5, 6], [1, 1]].map((ids) => Int32Array.from(ids));
    const codes = texts.map((_, index) => Int32Array.from({ length: positions }, (_unused, position) => (index * 5 + position * 3) % 11));
    const truth = texts.map((text, index) => {
      const { image } = forward(configuration, weights, [...text], codes[index] ?? []);
      return image.reduce((sum, scores, position) => sum + (logSoftmaxOf(scores)[codes[index]?.[position] ?? 0] ?? 0), 0);
    });
    for (const maximumBatch of [1, 3, 8]) {
      const found = await priorOf(configuration, maximumBatch).logProbability(texts, codes);
      expect(found).toHaveLength(5);
      for (const [index, value] of found.entries()) expect(value).toBeCloseTo(truth[index] ?? Number.NaN, 3);
    }
    expect(await priorOf(configuration).logProbability([], [])).toHaveLength(0);
  });
});

describe('logProbability of other questions', () => {
  it('is that of the uncached forward pass, and sums to one over all pictures', async () => {
    // Two tokens of three codes: every picture there is.
    const tiny = { ...tinyConfiguration, grid: { rows: 1, columns: 2 }, codebookSize: 3 };
    const every = Array.from({ length: 9 }, (_, index) => Int32Array.of(Math.floor(index / 3), index % 3));
    const values = Float32Array.of(1, -1, 2, 0, 1, 3);
    const cases: readonly (readonly [PriorConfiguration, Question | Int32Array])[] = [
      [tiny, Int32Array.of(2, 5)],
      [{ ...tiny, textLength: 1, condition: { kind: 'class' } }, { text: Int32Array.of(4) }],
      [
        { ...tiny, textVocabularySize: 0, condition: { kind: 'features', width: 2 } },
        { text: new Int32Array(), features: { values, mask: Uint8Array.of(0, 1, 1) } },
      ],
    ];
    for (const [configuration, question] of cases) {
      const found = await priorOf(configuration).logProbability(
        every.map(() => question),
        every,
      );
      expect(found.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 5);
      expect(Math.max(...found) - Math.min(...found)).toBeGreaterThan(0.5);
    }
  });

  it('refuses what the prior cannot be asked, and codes that there are not', async () => {
    const codes = [new Int32Array(positions)];
    await expect(priorOf(tinyConfiguration).logProbability([{ text: Int32Array.of(1), features: {} }], codes)).rejects.toMatchObject({ code: 'prompt-invalid' });
    await expect(priorOf(tinyConfiguration).logProbability([Int32Array.of(1), Int32Array.of(2)], codes)).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(priorOf(tinyConfiguration).logProbability([Int32Array.of(1)], [Int32Array.of(0, 11)])).rejects.toMatchObject({ code: 'invalid-argument' });
  });
});

describe('what is refused', () => {
  const prior = priorOf(tinyConfiguration, 2);
  it.each<[string, Partial<DecodeRequest>]>([
    ['prompt-invalid', { branches: [{ text: Int32Array.of(1, 2, 3, 4), weight: 1 }] }],
    ['invalid-argument', { branches: [] }],
    ['invalid-argument', { branches: [{ text: Int32Array.of(1), weight: 0.5 }] }],
    ['invalid-argument', { known: [nothingKnown(), nothingKnown(), nothingKnown()] }],
    ['invalid-argument', { known: [nothingKnown()], candidates: [1, 2] }],
    ['invalid-argument', { known: [new Int32Array(3)] }],
    ['invalid-argument', { known: [knowing({ 0: 11 })] }],
    ['invalid-argument', { sampling: { temperature: 1, topP: 2 } }],
  ])('%s: a request that cannot be decoded', async (code, change) => {
    await expect(decodeAll(prior, requestOf(change))).rejects.toMatchObject({ code });
  });

  it('stops between rows when aborted', async () => {
    const controller = new AbortController();
    const rows: number[] = [];
    const decoding = async (): Promise<void> => {
      for await (const { row } of prior.decode(requestOf(), { signal: controller.signal })) {
        rows.push(row);
        controller.abort(new Error('enough'));
      }
    };
    await expect(decoding()).rejects.toThrow('enough');
    expect(rows).toEqual([0]);
  });

  it('names a weight that does not fit the configuration', () => {
    const weights = lively(tinyConfiguration);
    weights.delete('blocks.1.mlp.expand.weight');
    expect(() => createTransformerPrior({ config: tinyConfiguration, weights: sourceOf(weights), backend })).toThrow(
      expect.objectContaining({ code: 'model-incompatible', message: expect.stringContaining('blocks.1.mlp.expand.weight') }),
    );
    expect(() => createTransformerPrior({ config: { ...tinyConfiguration, width: 16 }, weights: sourceOf(lively(tinyConfiguration)), backend })).toThrow(
      expect.objectContaining({ code: 'model-incompatible' }),
    );
  });

  it('does nothing after dispose', async () => {
    const gone = createTransformerPrior({ config: tinyConfiguration, weights: sourceOf(lively(tinyConfiguration)), backend });
    gone.dispose();
    await expect(decodeAll(gone, requestOf())).rejects.toMatchObject({ code: 'resource-disposed' });
  });
});
