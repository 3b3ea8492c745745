import { type DecodeRequest, float32Array, type GraphLogits, type HostArray, int32Array, type LogitsChange, TesseraeError } from '@tesserae/core';
import { conditionValues } from './condition.js';
import type { PriorConfiguration } from './configuration.js';
import { decodeSpanGraph, prefillGraph } from './decode-graph.js';
import { beginAlike } from './decode-request.js';
import type { DecodeSession } from './decode-session.js';
import type { DecodeBatch } from './layer-cache.js';
import { changeGraph, checkDrawn, type SamplingPlan, sampleGraph } from './sampling.js';

/** One decoding under way. `tokens` is filled as it goes. */
export interface Decoding {
  readonly configuration: PriorConfiguration;
  readonly batch: DecodeBatch;
  readonly request: DecodeRequest;
  readonly plan: SamplingPlan;
  readonly session: DecodeSession;
  /** By candidate, row-major over the grid; −1 where still unknown. */
  readonly tokens: readonly Int32Array[];
  readonly signal: AbortSignal | undefined;
  /** Tells graph functions apart, for finding their compiled programs again. */
  readonly numberOf: (change: GraphLogits) => number;
}

function result(results: Record<string, HostArray>, name: string): HostArray {
  const value = results[name];
  if (value === undefined) throw new TesseraeError('backend-failure', `The engine gave no '${name}'.`, { remedy: 'Report this with the backend and its version.' });
  return value;
}

const branchWeights = ({ request }: Decoding): HostArray =>
  float32Array(
    [request.branches.length],
    request.branches.map(({ weight }) => weight),
  );

function planKey(plan: SamplingPlan, numberOf: Decoding['numberOf']): string {
  return `${plan.greedy}|${plan.topK}|${plan.topP}|${plan.changes.map(numberOf)}`;
}

/** What the plan samples `count` positions from `start` by. */
function samplingValues({ plan, request }: Decoding, start: number, count: number): Record<string, HostArray> {
  if (plan.greedy) return {};
  const { candidates, sampling, uniform } = request;
  const uniforms = candidates.flatMap((candidate) => Array.from({ length: count }, (_, offset) => uniform(candidate, start + offset)));
  return {
    temperature: float32Array([], [sampling.temperature]),
    ...(plan.topP ? { topP: float32Array([], [sampling.topP ?? 1]) } : {}),
    uniforms: float32Array([candidates.length, count], uniforms),
  };
}

/** Reads the condition and the first `known` image tokens; gives the scores [candidates, codes] of the next position. */
export async function prefill(decoding: Decoding, known: number): Promise<HostArray> {
  const { configuration, batch, request, session, tokens, signal } = decoding;
  const shared = beginAlike(tokens, known);
  const copies = shared ? 1 : batch.candidates;
  const rows = batch.branches * copies;
  const codes = request.branches.flatMap(() => tokens.slice(0, copies).flatMap((all) => [...all.subarray(0, known)]));
  const inputs = {
    ...conditionValues(configuration, request.branches, copies),
    ...(known === 0 ? {} : { codes: int32Array([rows, known], codes) }),
    weights: branchWeights(decoding),
  };
  const results = await session.run(`prefill|${known}|${shared}`, () => prefillGraph(configuration, batch, { known, shared }), inputs, signal);
  return result(results, 'scores');
}

/** Decodes one row in one program call. */
export async function decodeByRow(decoding: Decoding, row: number): Promise<void> {
  const { configuration, batch, plan, session, tokens, signal, numberOf } = decoding;
  const { columns } = configuration.grid;
  const start = row * columns;
  const inputs = {
    span: int32Array([], [row]),
    known: int32Array(
      [batch.candidates, columns],
      tokens.flatMap((all) => [...all.subarray(start, start + columns)]),
    ),
    weights: branchWeights(decoding),
    ...samplingValues(decoding, start, columns),
  };
  const results = await session.run(`row|${planKey(plan, numberOf)}`, () => decodeSpanGraph(configuration, batch, plan), inputs, signal);
  const made = result(results, 'tokens').data;
  checkDrawn(made, `in row ${row}`);
  tokens.forEach((all, candidate) => {
    all.set(made.subarray(candidate * columns, (candidate + 1) * columns), start);
  });
}

/** The changes cut at the host's: graph changes that follow each other are one program. */
function segmentsOf(changes: readonly LogitsChange[]): { readonly graphs: readonly GraphLogits[]; readonly host: LogitsChange['host'] }[] {
  const segments: { graphs: GraphLogits[]; host: LogitsChange['host'] }[] = [];
  let graphs: GraphLogits[] = [];
  for (const { graph, host } of changes) {
    if (graph !== undefined) graphs.push(graph);
    if (host !== undefined) {
      segments.push({ graphs, host });
      graphs = [];
    }
  }
  return [...segments, { graphs, host: undefined }];
}

/** Changes the scores of one position in order and samples a token for every candidate. */
async function choose(decoding: Decoding, position: number, first: HostArray): Promise<Int32Array> {
  const { batch, configuration, plan, request, session, signal, tokens, numberOf } = decoding;
  const { candidates } = batch;
  const { codebookSize, grid } = configuration;
  const at = int32Array([], [position]);
  let scores = first;
  for (const { graphs, host } of segmentsOf(request.logits ?? [])) {
    if (host === undefined) {
      const own: SamplingPlan = { ...plan, changes: graphs };
      const inputs = { scores, position: at, ...samplingValues(decoding, position, 1) };
      const results = await session.run(`sample|${planKey(own, numberOf)}`, () => sampleGraph(candidates, codebookSize, own), inputs, signal);
      const drawn = Int32Array.from(result(results, 'tokens').data);
      checkDrawn(drawn, `at position ${position}`);
      return drawn;
    }
    if (graphs.length > 0) {
      const results = await session.run(`change|${graphs.map(numberOf)}`, () => changeGraph(candidates, codebookSize, graphs), { scores, position: at }, signal);
      scores = result(results, 'scores');
    }
    const changed = Float32Array.from(scores.data);
    host({ position, grid, candidates: request.candidates, tokens, scores: changed });
    scores = float32Array([candidates, codebookSize], changed);
  }
  return new Int32Array(candidates);
}

/** Decodes one row token by token; takes the scores of its first position, gives those after it. */
export async function decodeByToken(decoding: Decoding, row: number, first: HostArray): Promise<HostArray> {
  const { configuration, batch, plan, session, tokens, signal } = decoding;
  const { columns } = configuration.grid;
  // The token is chosen before the model call, which only has to read it.
  const reading: SamplingPlan = { ...plan, greedy: true, changes: [] };
  let scores = first;
  for (let position = row * columns; position < (row + 1) * columns; position += 1) {
    if (tokens.some((all) => (all[position] ?? -1) < 0)) {
      const chosen = await choose(decoding, position, scores);
      tokens.forEach((all, candidate) => {
        if ((all[position] ?? -1) < 0) all[position] = chosen[candidate] ?? 0;
      });
    }
    const inputs = {
      span: int32Array([], [position]),
      known: int32Array(
        [batch.candidates, 1],
        tokens.map((all) => all[position] ?? 0),
      ),
      weights: branchWeights(decoding),
    };
    scores = result(await session.run('token', () => decodeSpanGraph(configuration, batch, reading), inputs, signal), 'scores');
  }
  return scores;
}
