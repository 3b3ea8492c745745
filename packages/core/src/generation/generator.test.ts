import { describe, expect, it } from 'vitest';
import { TesseraeError } from '../errors/index.js';
import type { DecodeRequest, ImagePrior } from '../models/index.js';
import { collectEvents, mockImageTokenizer, mockPrior, mockTextTokenizer } from '../test/index.js';
import { createGenerator, type GenerateRequest, type Generator, type GeneratorOptions, type SamplingPlugin, samplingUniform } from './index.js';

const grid = { rows: 3, columns: 4 };
const codebookSize = 16;

function setUp(options: Partial<GeneratorOptions> & { readonly maximumBatch?: number; readonly textLength?: number } = {}): {
  generator: Generator;
  requests: readonly DecodeRequest[];
} {
  const { maximumBatch = 4, textLength = 64, ...rest } = options;
  const prior = mockPrior({ grid, codebookSize, maximumBatch, textLength });
  const generator = createGenerator({ imageTokenizer: mockImageTokenizer({ grid, codebookSize }), textTokenizer: mockTextTokenizer(), prior, ...rest });
  return { generator, requests: prior.requests };
}

const plugin = (name: string, hooks: Partial<SamplingPlugin> = {}): SamplingPlugin => ({ name, specificationVersion: 'v1', ...hooks });
const codesOf = async (generator: Generator, request: GenerateRequest): Promise<Map<number, number[]>> =>
  new Map((await generator.generate(request)).images.map(({ candidate, codes }) => [candidate, [...codes]] as const));

describe('generate', () => {
  it('gives pictures, their codes and numbers, the seed and the times', async () => {
    const { generator } = setUp();
    const { images, seed, warnings, timings } = await generator.generate({ prompt: 'a red ball', candidates: 2, seed: 5 });
    expect(
      images.map(({ candidate, seed: own, codes, grid: canvas, picture }) => ({ candidate, own, tokens: codes.length, canvas, size: [picture.width, picture.height] })),
    ).toEqual([0, 1].map((candidate) => ({ candidate, own: 5, tokens: 12, canvas: grid, size: [8, 6] })));
    expect({ seed, warnings }).toEqual({ seed: 5, warnings: [] });
    expect(timings.total).toBeGreaterThanOrEqual(timings.decode + timings.pixels - 1);
  });

  it('decides a token by seed, candidate and position alone', async () => {
    const { generator } = setUp();
    const uniform = samplingUniform(5);
    const codes = await codesOf(generator, { prompt: 'x', seed: 5, candidates: 3 });
    for (const [candidate, list] of codes) expect(list).toEqual(list.map((_, position) => Math.floor(uniform(candidate, position) * codebookSize)));
  });

  it('makes candidate k the same in any batch size, any total and from any first number', async () => {
    const whole = await codesOf(setUp({ maximumBatch: 8 }).generator, { prompt: 'x', seed: 9, candidates: 8 });
    expect(new Set([...whole.values()].map(String)).size).toBe(8);
    for (const maximumBatch of [1, 2, 3, 5]) expect(await codesOf(setUp({ maximumBatch }).generator, { prompt: 'x', seed: 9, candidates: 8 })).toEqual(whole);
    const { generator } = setUp();
    expect(await codesOf(generator, { prompt: 'x', seed: 9, candidates: 3 })).toEqual(new Map([...whole].slice(0, 3)));
    expect(await codesOf(generator, { prompt: 'x', seed: 9, candidates: 2, firstCandidate: 5 })).toEqual(new Map([...whole].slice(5, 7)));
    expect(await codesOf(generator, { prompt: 'x', seed: 10, candidates: 1 })).not.toEqual(new Map([...whole].slice(0, 1)));
  });

  it('draws a seed when none is given, and tells it, so that the call can be repeated', async () => {
    const { generator } = setUp();
    const first = await generator.generate({ prompt: 'x' });
    const again = await generator.generate({ prompt: 'x', seed: first.seed });
    expect(again.images[0]?.codes).toEqual(first.images[0]?.codes);
  });

  it('asks the prior one question without guidance, and two with: weights g and 1 − g', async () => {
    const { generator, requests } = setUp();
    await generator.generate({ prompt: 'ab', guidance: 1 });
    await generator.generate({ prompt: 'ab', guidance: 3 });
    const [text, empty] = [Int32Array.of(97, 98), new Int32Array(0)];
    expect(requests.map(({ branches }) => branches)).toEqual([
      [{ text, weight: 1 }],
      [
        { text, weight: 3 },
        { text: empty, weight: -2 },
      ],
    ]);
  });

  it('tells the prior how to sample: top-k no larger than the codebook, top-p of 1 is none', async () => {
    const { generator, requests } = setUp();
    await generator.generate({ prompt: 'x', temperature: 0.5, topK: 99, topP: 1 });
    await generator.generate({ prompt: 'x', topK: 3, topP: 0.9 });
    expect(requests.map(({ sampling }) => sampling)).toEqual([
      { temperature: 0.5, topK: 16 },
      { temperature: 1, topK: 3, topP: 0.9 },
    ]);
  });

  it('refuses a prompt longer than the prior reads, or cuts it with a warning that is also an event', async () => {
    const { generator, requests } = setUp({ textLength: 4 });
    await expect(generator.generate({ prompt: 'abcdef' })).rejects.toMatchObject({ code: 'prompt-invalid', message: expect.stringContaining('6 tokens long; the model reads 4') });
    const stream = generator.generateStream({ prompt: 'abcdef', truncate: true });
    const warning = { source: 'pipeline', message: expect.stringContaining('last 2 tokens were dropped') };
    expect((await collectEvents(stream)).filter(({ type }) => type === 'warning')).toEqual([{ type: 'warning', warning }]);
    expect((await stream.result).warnings).toEqual([warning]);
    expect(requests[0]?.branches[0]?.text).toHaveLength(4);
  });

  it('refuses a wrong request before anything runs', async () => {
    const { generator, requests } = setUp();
    await expect(generator.generate({ prompt: 'x', candidates: 0 })).rejects.toMatchObject({ code: 'invalid-argument', details: { field: 'candidates' } });
    expect(requests).toEqual([]);
  });

  it('refuses parts that do not belong together', () => {
    expect(() => setUp({ imageTokenizer: mockImageTokenizer({ grid, codebookSize: 8 }) })).toThrow(
      expect.objectContaining({ code: 'model-incompatible', message: expect.stringContaining('8 codes, the prior 16') }),
    );
  });
});

describe('aborting', () => {
  it('rejects with the reason, before the call and in the middle of it', async () => {
    const reason = new Error('changed my mind');
    const { generator, requests } = setUp({ maximumBatch: 1 });
    await expect(generator.generate({ prompt: 'x', signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(requests).toHaveLength(0);

    const abort = new AbortController();
    const rows: number[] = [];
    const watching = plugin('watch', {
      on: (event) => {
        if (event.type !== 'row-end') return;
        rows.push(event.row);
        if (rows.length === 4) abort.abort(reason);
      },
    });
    const watched = setUp({ maximumBatch: 1, plugins: [watching] });
    await expect(watched.generator.generate({ prompt: 'x', candidates: 3, signal: abort.signal })).rejects.toBe(reason);
    // Candidate 0 was whole, candidate 1 had one row: nothing after that.
    expect(rows).toEqual([0, 1, 2, 0]);
  });
});

describe('the stream of events', () => {
  it('tells batches, rows, candidates and the end, in this order', async () => {
    const stream = setUp({ maximumBatch: 2 }).generator.generateStream({ prompt: 'x', seed: 3, candidates: 3 });
    const events = await collectEvents(stream);
    const short = events.map((event) => {
      switch (event.type) {
        case 'batch-start':
          return `batch ${event.candidates}`;
        case 'row-end':
          return `row ${event.row} of ${event.rows} for ${event.candidates}`;
        case 'candidate-end':
          return `candidate ${event.image.candidate}`;
        default:
          return event.type;
      }
    });
    expect(short).toEqual([
      'generate-start',
      'batch 0,1',
      ...[0, 1, 2].map((row) => `row ${row} of 3 for 0,1`),
      'batch 2',
      ...[0, 1, 2].map((row) => `row ${row} of 3 for 2`),
      'candidate 0',
      'candidate 1',
      'candidate 2',
      'generate-end',
    ]);
    expect(events[0]).toEqual({ type: 'generate-start', prompt: 'x', seed: 3, candidates: 3 });
    const { images } = await stream.result;
    const rows = events.flatMap((event) => (event.type === 'row-end' && event.candidates[0] === 0 ? [event.tokens[0]] : []));
    expect(rows.flatMap((row) => [...(row ?? [])])).toEqual([...(images[0]?.codes ?? [])]);
  });

  it('shows previews where they are asked for: rows to come repeat the last one', async () => {
    const stream = setUp({ previewEvery: 1 }).generator.generateStream({ prompt: 'x', seed: 3 });
    const events = await collectEvents(stream);
    const previews = events.flatMap((event) => (event.type === 'preview-available' ? [event] : []));
    expect(previews.length).toBeGreaterThan(0);
    const [first] = previews;
    expect(first).toMatchObject({ candidate: 0, row: 0, picture: { width: 8, height: 6 } });
    const lines = Array.from({ length: 6 }, (_, y) => String(first?.picture.data.slice(y * 8 * 3, (y + 1) * 8 * 3)));
    expect(new Set(lines).size).toBe(1);
    expect(events.findIndex(({ type }) => type === 'preview-available')).toBeLessThan(events.findIndex(({ type }) => type === 'candidate-end'));
  });

  it('goes on without a preview that fails, with a warning', async () => {
    const tokenizer = mockImageTokenizer({ grid, codebookSize });
    let calls = 0;
    const decode: typeof tokenizer.decode = async (...input) => {
      calls += 1;
      if (calls === 1) throw new Error('no memory');
      return tokenizer.decode(...input);
    };
    const { images, warnings } = await setUp({ imageTokenizer: { ...tokenizer, decode }, previewEvery: 2 }).generator.generate({ prompt: 'x' });
    expect(images).toHaveLength(1);
    expect(warnings).toEqual([{ source: 'pipeline', message: 'a preview failed: no memory' }]);
  });

  it('left early, aborts the call', async () => {
    const { generator, requests } = setUp({ maximumBatch: 1 });
    const stream = generator.generateStream({ prompt: 'x', candidates: 50 });
    for await (const event of stream) if (event.type === 'row-end') break;
    await expect(stream.result).rejects.toMatchObject({ name: 'AbortError', message: expect.stringContaining('left before its end') });
    expect(requests.length).toBeLessThan(3);
  });

  it('ends with the error of the call, as the result does', async () => {
    const failing: ImagePrior = {
      ...mockPrior({ grid, codebookSize }),
      // biome-ignore lint/correctness/useYield: it fails before its first row
      async *decode() {
        throw new TesseraeError('backend-failure', 'The engine is gone.', { remedy: 'Get it back.' });
      },
    };
    const stream = setUp({ prior: failing }).generator.generateStream({ prompt: 'x' });
    await expect(collectEvents(stream)).rejects.toMatchObject({ code: 'backend-failure' });
    await expect(stream.result).rejects.toMatchObject({ code: 'backend-failure' });
  });

  it('need not be read: the result comes all the same, and follows the signal of the request', async () => {
    const { generator } = setUp();
    expect((await generator.generateStream({ prompt: 'x' }).result).images).toHaveLength(1);
    const reason = new Error('stop');
    await expect(generator.generateStream({ prompt: 'x', signal: AbortSignal.abort(reason) }).result).rejects.toBe(reason);
  });
});

describe('plugins', () => {
  it('change the request, then the plan, each in the order given', async () => {
    const log: string[] = [];
    const follow = (name: string, candidates: number, token: number): SamplingPlugin =>
      plugin(name, {
        request: (request) => {
          log.push(`${name}.request ${request.candidates}`);
          return { ...request, candidates };
        },
        plan: (plan, request) => {
          log.push(`${name}.plan ${plan.known[0]?.[0]} for ${request.candidates}`);
          return { ...plan, known: plan.known.map((known) => Int32Array.from(known).fill(token, 0, 1)) };
        },
      });
    const { generator, requests } = setUp({ plugins: [follow('a', 2, 7), follow('b', 3, 9)] });
    const { images } = await generator.generate({ prompt: 'x' });
    expect(log).toEqual(['a.request 1', 'b.request 2', 'a.plan -1 for 3', 'b.plan 7 for 3']);
    expect(images.map(({ codes }) => codes[0])).toEqual([9, 9, 9]);
    expect(requests[0]?.known[0]?.[0]).toBe(9);
  });

  it('wrap the call like an onion, the first one outermost', async () => {
    const log: string[] = [];
    const wrap = (name: string): SamplingPlugin =>
      plugin(name, {
        async wrapGenerate(next, request) {
          log.push(`${name} in`);
          const result = await next({ ...request, candidates: request.candidates + 1 });
          log.push(`${name} out ${result.images.length}`);
          return { ...result, images: result.images.slice(1) };
        },
      });
    const { generator } = setUp({ plugins: [wrap('outer'), plugin('bystander'), wrap('inner')] });
    const { images } = await generator.generate({ prompt: 'x' });
    expect(log).toEqual(['outer in', 'inner in', 'inner out 3', 'outer out 2']);
    expect(images.map(({ candidate }) => candidate)).toEqual([2]);
  });

  it('may change the plan of a call they wrap: the outer change has the last word', async () => {
    const first = (token: number) =>
      plugin(`first ${token}`, {
        wrapGenerate: (next, request) => next(request, (plan) => ({ ...plan, known: plan.known.map((known) => Int32Array.from(known).fill(token, 0, 1)) })),
      });
    const { generator, requests } = setUp({ plugins: [first(3), first(5)] });
    await generator.generate({ prompt: 'x' });
    expect(requests[0]?.known[0]?.[0]).toBe(3);
  });

  it('may go through the rest of the chain several times, planning anew each time', async () => {
    let plans = 0;
    const counting = plugin('count', {
      plan: (plan) => {
        plans += 1;
        return plan;
      },
    });
    const twice = plugin('twice', {
      async wrapGenerate(next, request) {
        const [one, two] = [await next(request), await next({ ...request, firstCandidate: 1 })];
        return { ...one, images: [...one.images, ...two.images] };
      },
    });
    const { images } = await setUp({ plugins: [twice, counting] }).generator.generate({ prompt: 'x', seed: 1 });
    expect(images.map(({ candidate }) => candidate)).toEqual([0, 1]);
    expect(plans).toBe(2);
  });

  it('give their changes of the scores to the prior in order, by name', async () => {
    const graph = () => {
      throw new Error('the mock runs no graph');
    };
    const host = (): void => undefined;
    const { generator, requests } = setUp({ plugins: [plugin('a', { logits: { host } }), plugin('none'), plugin('b', { logits: { graph } })] });
    await generator.generate({ prompt: 'x' });
    expect(requests[0]?.logits).toEqual([
      { name: 'a', host },
      { name: 'b', graph },
    ]);
  });

  it('are set up once, before the first call, and disposed with the generator', async () => {
    const log: string[] = [];
    const { generator } = setUp({
      plugins: [
        plugin('a', {
          setup: ({ prior }) => {
            log.push(`set up with ${prior.codebookSize} codes`);
            return { dispose: () => void log.push('disposed') };
          },
        }),
      ],
    });
    expect(log).toEqual([]);
    await Promise.all([generator.generate({ prompt: 'x' }), generator.generate({ prompt: 'y' })]);
    generator.dispose();
    expect(log).toEqual(['set up with 16 codes', 'disposed']);
  });

  it('get their own options, and may warn: in the result and as an event', async () => {
    const told = plugin('told', {
      request: (request, { options, warn }) => {
        warn(`I was told ${JSON.stringify(options)}`);
        return request;
      },
    });
    const stream = setUp({ plugins: [told] }).generator.generateStream({ prompt: 'x', pluginOptions: { told: { keep: 2 }, other: 1 } });
    const warning = { source: 'told', message: 'I was told {"keep":2}' };
    expect((await collectEvents(stream)).filter(({ type }) => type === 'warning')).toEqual([{ type: 'warning', warning }]);
    expect((await stream.result).warnings).toEqual([warning]);
  });

  it('that throw while observing are remarked, and change nothing', async () => {
    const clumsy = plugin('clumsy', {
      on: ({ type }) => {
        if (type === 'generate-start' || type === 'generate-end') throw new Error('oops');
      },
    });
    const { images, warnings } = await setUp({ plugins: [clumsy] }).generator.generate({ prompt: 'x' });
    expect(images).toHaveLength(1);
    expect(warnings).toEqual(['generate-start', 'generate-end'].map((type) => ({ source: 'clumsy', message: `failed while observing ${type}: oops` })));
  });

  for (const hook of ['setup', 'request', 'plan', 'wrapGenerate'] as const) {
    it(`that throw in ${hook} end the call; the error names plugin and hook and keeps the cause`, async () => {
      const cause = new Error('oops');
      const failing = plugin('clumsy', {
        [hook]: () => {
          throw cause;
        },
      });
      await expect(setUp({ plugins: [failing] }).generator.generate({ prompt: 'x' })).rejects.toMatchObject({
        code: 'plugin-failure',
        message: expect.stringContaining(`Plugin 'clumsy' failed in ${hook}: oops`),
        details: { plugin: 'clumsy', hook },
        cause,
      });
    });
  }

  it('are not blamed for what fails below them', async () => {
    const failing: ImagePrior = {
      ...mockPrior({ grid, codebookSize }),
      // biome-ignore lint/correctness/useYield: it fails before its first row
      async *decode() {
        throw new RangeError('the prior is broken');
      },
    };
    const through = (name: string): SamplingPlugin => plugin(name, { wrapGenerate: (next, request) => next(request) });
    await expect(setUp({ prior: failing, plugins: [through('a'), through('b')] }).generator.generate({ prompt: 'x' })).rejects.toThrow(new RangeError('the prior is broken'));
  });

  it('pass on typed errors meant for the user, and wrong plans are refused', async () => {
    const refusing = plugin('refusing', {
      request: () => {
        throw new TesseraeError('image-invalid', 'The prefix has another size.', { remedy: 'Crop it.' });
      },
    });
    await expect(setUp({ plugins: [refusing] }).generator.generate({ prompt: 'x' })).rejects.toMatchObject({ code: 'image-invalid' });
    const large = plugin('large', { plan: (plan) => ({ ...plan, grid: { rows: 9, columns: 9 } }) });
    await expect(setUp({ plugins: [large] }).generator.generate({ prompt: 'x' })).rejects.toMatchObject({ code: 'invalid-argument', message: expect.stringContaining('9×9') });
    const many = plugin('many', { request: (request) => ({ ...request, candidates: 0 }) });
    await expect(setUp({ plugins: [many] }).generator.generate({ prompt: 'x' })).rejects.toMatchObject({ code: 'invalid-argument', details: { field: 'candidates' } });
  });

  it('are refused when they follow another specification, share a name or have none', () => {
    const creating =
      (...plugins: SamplingPlugin[]) =>
      () =>
        setUp({ plugins });
    expect(creating({ name: 'future', specificationVersion: 'v2' } as unknown as SamplingPlugin)).toThrow(/'future' follows specification "v2".*specification 'v1'/);
    expect(creating(plugin('a'), plugin('b'), plugin('a'))).toThrow(/There are two plugins 'a'/);
    expect(creating(plugin(''))).toThrow(/has no name/);
  });
});
