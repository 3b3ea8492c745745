import { type Backend, countFlops, float32Array, type Graph, leavesOf, matMul, reduceMax, sizeOf, type TrainingStep, trace } from '@tesserae/core';
import { scaled } from '../terminal/table.js';

/** What a training learns from, and how fast. */
export interface Throughput {
  readonly unit: 'tokens' | 'pictures';
  /** Since the first update, those of earlier runs included. */
  readonly seen: number;
  readonly perSecond: number;
  /** FLOPs a second, as `countFlops` counts them. */
  readonly flopsPerSecond: number;
  /** Of what plain matrix products reach on the same engine; absent where that could not be measured. */
  readonly utilisation?: number;
}

export interface ThroughputMeter {
  /** Notes an update. */
  add(step: number, milliseconds: number): void;
  /** Of the last updates: what is going on now. */
  recent(): Throughput | undefined;
  /** Of all updates of this run but its first, which also starts the engine. */
  overall(): Throughput | undefined;
}

/** Updates that the figure beside the bar is of. */
const shownUpdates = 20;

/** What one update learns from: pictures where it sees pixels, else text and image tokens. */
export function learntFrom(graph: Graph): { readonly unit: Throughput['unit']; readonly count: number } {
  const inputs = leavesOf(graph, 'input');
  const pixels = inputs.find(({ name }) => name === 'pixels');
  if (pixels !== undefined) return { unit: 'pictures', count: pixels.shape[0] ?? 0 };
  return { unit: 'tokens', count: inputs.filter(({ name }) => name === 'text' || name === 'codes').reduce((sum, { shape }) => sum + sizeOf(shape), 0) };
}

/** Side of the products that a machine's rate is measured with, and how many: a hundredth of a second on two cores. */
const [side, products] = [512, 4] as const;
/** A first look with smaller ones: engines that would need seconds are not asked. */
const probeSide = 128;
const longestSeconds = 0.3;

async function productRate(backend: Backend, size: number): Promise<number> {
  const graph = trace('matrix products', (scope) => {
    const weight = scope.input('weight', [size, size]);
    let x = weight;
    for (let index = 0; index < products; index += 1) x = matMul(x, weight);
    scope.output('largest', reduceMax(x));
  });
  const program = await backend.compile(graph);
  try {
    const inputs = { weight: float32Array([size, size], new Float32Array(size * size).fill(1 / size)) };
    let best = 0;
    for (let round = 0; round < 3; round += 1) {
      const started = performance.now();
      await program.run(inputs);
      best = Math.max(best, (1000 * countFlops(graph).total) / (performance.now() - started));
    }
    return best;
  } finally {
    program.dispose();
  }
}

/** FLOPs a second that plain matrix products reach on an engine; undefined where finding out would take long. */
export async function matrixProductRate(backend: Backend): Promise<number | undefined> {
  const probed = await productRate(backend, probeSide);
  if ((2 * side ** 3 * products) / probed > longestSeconds) return undefined;
  return Math.max(probed, await productRate(backend, side));
}

/** The graphs that an update runs, in order: batches that are added up, and the one that ends with the new weights. */
export function graphsOfAnUpdate({ graph, accumulation, options }: TrainingStep): [Graph, ...Graph[]] {
  const added = accumulation === undefined ? [] : Array.from({ length: (options.accumulate ?? 1) - 1 }, () => accumulation.graph);
  const [first = graph, ...rest] = [...added, graph];
  return [first, ...rest];
}

/** Counts what updates do that run these graphs one after another, the last of them once; `peak` is what `matrixProductRate` found. */
export function createThroughputMeter(graphs: readonly [Graph, ...Graph[]], peak: number | undefined): ThroughputMeter {
  const { unit } = learntFrom(graphs[0]);
  const sumOf = (amount: (graph: Graph) => number): number => {
    // Batches that accumulate an update run the same graph again and again.
    const known = new Map<Graph, number>();
    for (const graph of graphs) if (!known.has(graph)) known.set(graph, amount(graph));
    return graphs.reduce((total, graph) => total + (known.get(graph) ?? 0), 0);
  };
  const count = sumOf((graph) => learntFrom(graph).count);
  const flops = sumOf((graph) => countFlops(graph).total);
  const last: number[] = [];
  let [step, updates, milliseconds] = [0, -1, 0];
  const of = (done: number, taken: number): Throughput | undefined => {
    if (done < 1 || taken <= 0) return undefined;
    const flopsPerSecond = (1000 * flops * done) / taken;
    return { unit, seen: step * count, perSecond: (1000 * count * done) / taken, flopsPerSecond, ...(peak === undefined ? {} : { utilisation: flopsPerSecond / peak }) };
  };
  return {
    add(at, taken) {
      step = at;
      updates += 1;
      if (updates > 0) milliseconds += taken;
      last.push(taken);
      if (last.length > shownUpdates) last.shift();
    },
    recent: () =>
      of(
        last.length,
        last.reduce((sum, taken) => sum + taken, 0),
      ),
    overall: () => of(updates, milliseconds),
  };
}

/** `1.31 M tokens, 8.42 k/s, 61.0 GFLOP/s (52 % of matrix products)`. */
export function describeThroughput({ unit, seen, perSecond, flopsPerSecond, utilisation }: Throughput): string {
  const share = utilisation === undefined ? '' : ` (${(100 * utilisation).toFixed(0)} % of matrix products)`;
  return `${scaled(seen)} ${unit}, ${scaled(perSecond, '/s')}, ${scaled(flopsPerSecond, 'FLOP/s')}${share}`;
}
