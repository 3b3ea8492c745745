import { TesseraeError } from '../errors/index.js';
import type { CallOptions, ImagePrior, ImageTokenizer, Question, TextTokenizer } from '../models/index.js';
import { deriveKey, keyFromSeed, uniform } from '../random/index.js';
import { createEventStream } from './event-stream.js';
import type { GenerateEvent, GenerateWarning } from './events.js';
import { checkPlan, emptyKnown, type SequencePlan } from './plan.js';
import type { GenerateNext, SamplingPlugin } from './plugin.js';
import { type CallState, createPluginDriver } from './plugin-driver.js';
import { questionOf, withoutContent } from './question.js';
import { type GenerateRequest, type ResolvedRequest, resolveRequest } from './request.js';
import type { GeneratedImage, GenerateResult } from './result.js';

export interface GeneratorOptions {
  readonly imageTokenizer: ImageTokenizer;
  /** Reads prompts; priors of classes and features need none. */
  readonly textTokenizer?: TextTokenizer;
  readonly prior: ImagePrior;
  readonly plugins?: readonly SamplingPlugin[];
  /** A preview picture every so many rows; 0, the default, makes none. Decoded beside the next rows, at most one at a time. */
  readonly previewEvery?: number;
}

/** A running call: its events as they come, and its result. */
export interface GenerateStream extends AsyncIterable<GenerateEvent> {
  readonly result: Promise<GenerateResult>;
}

/** Text in, pictures out. */
export interface Generator {
  /** @throws TesseraeError for a wrong request; rejects with the signal's reason when aborted. */
  generate(request: GenerateRequest): Promise<GenerateResult>;
  /** The same, telling what happens. Leaving the iteration early aborts the call. */
  generateStream(request: GenerateRequest): GenerateStream;
  dispose(): void;
}

/** The number that decides a token: depends on seed, candidate and position, and on nothing else. */
export function samplingUniform(seed: number): (candidate: number, position: number) => number {
  const key = deriveKey(keyFromSeed(seed), 'sampling');
  return (candidate, position) => uniform(deriveKey(key, candidate), position);
}

function initialPlan(request: ResolvedRequest, question: Question, prior: ImagePrior): SequencePlan {
  const { guidance, temperature, topK, topP } = request;
  return {
    grid: prior.grid,
    known: [emptyKnown(prior.grid)],
    // Guidance as a mixture of two questions; a scale of 1 asks only one.
    branches:
      guidance === 1
        ? [{ ...question, weight: 1 }]
        : [
            { ...question, weight: guidance },
            { ...withoutContent(question), weight: 1 - guidance },
          ],
    sampling: { temperature, ...(topK === undefined ? {} : { topK: Math.min(topK, prior.codebookSize) }), ...(topP === undefined || topP === 1 ? {} : { topP }) },
  };
}

/** A remark of the pipeline itself: in the result, and as an event. */
function warn(state: CallState, message: string): void {
  const warning: GenerateWarning = { source: 'pipeline', message };
  state.warnings.push(warning);
  state.emit({ type: 'warning', warning });
}

/** Puts the parts together. The models stay the caller's: `dispose` ends the plugins only. */
export function createGenerator(options: GeneratorOptions): Generator {
  const { imageTokenizer, textTokenizer, prior, plugins = [], previewEvery = 0 } = options;
  if (imageTokenizer.codebookSize !== prior.codebookSize) {
    throw new TesseraeError('model-incompatible', `The image tokenizer has ${imageTokenizer.codebookSize} codes, the prior ${prior.codebookSize}.`, {
      remedy: 'Use parts that were trained together.',
    });
  }
  const driver = createPluginDriver(plugins, { imageTokenizer, ...(textTokenizer === undefined ? {} : { textTokenizer }), prior });

  /** One batch of candidates: rows as they come, then pictures. */
  async function decodeBatch(
    plan: SequencePlan,
    request: ResolvedRequest,
    candidates: readonly number[],
    known: readonly Int32Array[],
    state: CallState,
  ): Promise<{ images: GeneratedImage[]; decode: number; pixels: number }> {
    const { signal } = state;
    const { columns, rows } = plan.grid;
    const codes = candidates.map(() => new Int32Array(rows * columns));
    const started = performance.now();
    state.emit({ type: 'batch-start', candidates });
    let preview: Promise<void> | undefined;
    const callOptions: CallOptions = signal === undefined ? {} : { signal };
    for await (const { row, tokens } of prior.decode(
      { branches: plan.branches, known, candidates, sampling: plan.sampling, uniform: samplingUniform(request.seed), logits: driver.logits },
      callOptions,
    )) {
      signal?.throwIfAborted();
      tokens.forEach((list, index) => codes[index]?.set(list, row * columns));
      state.emit({ type: 'row-end', candidates, row, rows, tokens });
      if (previewEvery > 0 && (row + 1) % previewEvery === 0 && row + 1 < rows && preview === undefined) {
        const partial = codes.map((list) => {
          const copy = Int32Array.from(list);
          for (let at = row + 1; at < rows; at += 1) copy.set(list.subarray(row * columns, (row + 1) * columns), at * columns);
          return copy;
        });
        preview = imageTokenizer
          .decode(partial, plan.grid, callOptions)
          .then((pictures) => {
            pictures.forEach((picture, index) => state.emit({ type: 'preview-available', candidate: candidates[index] ?? 0, row, picture }));
          })
          .catch((cause: unknown) => warn(state, `a preview failed: ${cause instanceof Error ? cause.message : String(cause)}`))
          .finally(() => {
            preview = undefined;
          });
      }
    }
    await preview;
    const decoded = performance.now();
    const pictures = await imageTokenizer.decode(codes, plan.grid, callOptions);
    const images = pictures.map(
      (picture, index): GeneratedImage => ({ picture, codes: codes[index] ?? new Int32Array(0), grid: plan.grid, candidate: candidates[index] ?? 0, seed: request.seed }),
    );
    return { images, decode: decoded - started, pixels: performance.now() - decoded };
  }

  async function run(request: GenerateRequest, emit: (event: GenerateEvent) => void, signal: AbortSignal | undefined): Promise<GenerateResult> {
    const started = performance.now();
    signal?.throwIfAborted();
    await driver.setup();
    const warnings: GenerateWarning[] = [];
    const state: CallState = {
      warnings,
      emit: (event) => {
        driver.observe(event, warnings);
        emit(event);
      },
      ...(signal === undefined ? {} : { signal }),
    };
    const resolved = await driver.request(
      resolveRequest(request, () => Math.floor(Math.random() * 2 ** 32)),
      state,
    );
    state.emit({ type: 'generate-start', prompt: resolved.prompt, seed: resolved.seed, candidates: resolved.candidates });

    const core: GenerateNext = async (inner, change) => {
      const began = performance.now();
      const checked = resolveRequest(inner, () => inner.seed);
      const question = questionOf(checked, { prior, ...(textTokenizer === undefined ? {} : { textTokenizer }), warn: (message) => warn(state, message) });
      const planned = await driver.plan(initialPlan(checked, question, prior), checked, state);
      const plan = checkPlan(change === undefined ? planned : change(planned), prior.grid, checked.candidates, prior.codebookSize);
      const images: GeneratedImage[] = [];
      const timings = { decode: 0, pixels: 0 };
      for (let start = 0; start < checked.candidates; start += prior.maximumBatch) {
        signal?.throwIfAborted();
        const count = Math.min(prior.maximumBatch, checked.candidates - start);
        const numbers = Array.from({ length: count }, (_, index) => checked.firstCandidate + start + index);
        const known = numbers.map((_, index) => plan.known[plan.known.length === 1 ? 0 : start + index] ?? emptyKnown(plan.grid));
        const batch = await decodeBatch(plan, checked, numbers, known, state);
        timings.decode += batch.decode;
        timings.pixels += batch.pixels;
        images.push(...batch.images);
      }
      return { images, seed: checked.seed, warnings: [], timings: { ...timings, total: performance.now() - began } };
    };

    const result = await driver.wrap(core, state, resolved)(resolved);
    for (const image of result.images) state.emit({ type: 'candidate-end', image });
    const total = performance.now() - started;
    state.emit({ type: 'generate-end', milliseconds: total });
    return { ...result, warnings: [...result.warnings, ...warnings], timings: { ...result.timings, total } };
  }

  return {
    generate: (request) => run(request, () => undefined, request.signal),
    generateStream(request) {
      const abort = new AbortController();
      const signal = request.signal === undefined ? abort.signal : AbortSignal.any([request.signal, abort.signal]);
      const events = createEventStream<GenerateEvent>(() => abort.abort(new DOMException('The stream was left before its end.', 'AbortError')));
      const result = run(request, (event) => events.push(event), signal);
      result.then(
        () => events.close(),
        (error: unknown) => events.close(error),
      );
      return { result, [Symbol.asyncIterator]: () => events[Symbol.asyncIterator]() };
    },
    dispose: () => driver.dispose(),
  };
}
