import { bytesOf, countFlops, type Graph, type LeafReads, leafReads, leavesOf, quantisedBlock } from '@tesserae/core';
import {
  type AttentionPattern,
  decodeSpanGraph,
  decodeStateNames,
  imageLengthOf,
  layerPatterns,
  type PriorConfiguration,
  prefillGraph,
  samplingPlan,
  type WeightPrecision,
  weightPrecisions,
} from '@tesserae/transformer';
import type { Machine } from './machine.js';

/** Bytes of one number of a matrix [rows, columns] that is only multiplied with; the quantised ones share a float32 scale (`quantiseWeights`). */
const bytesPerWeight: Readonly<Record<WeightPrecision, (columns: number) => number>> = {
  float32: () => 4,
  int8: (columns) => 1 + 4 / quantisedBlock(8, columns),
  int4: (columns) => 1 / 2 + 4 / quantisedBlock(4, columns),
};

export interface DecodingPlan {
  readonly candidates: number;
  readonly branches: number;
  /** Image tokens of a picture. */
  readonly tokens: number;
  /** A token of one candidate, all branches. */
  readonly flopsPerToken: number;
  /** Reading the text, for all branches. */
  readonly prefillFlops: number;
  /** Keys and values of all candidates and branches, as decoding allocates them. */
  readonly cache: readonly { readonly pattern: AttentionPattern; readonly layers: number; readonly bytes: number }[];
  /** What else stays on the device: scores, an encoder's keys. */
  readonly otherState: number;
  /** Read for one token of every candidate: once, however many there are. */
  readonly weightBytes: Readonly<Record<WeightPrecision, number>>;
  /** Keys, values and other state read for one token of every candidate. */
  readonly stateBytes: number;
  /** Weights that making pictures reads at all. */
  readonly loadedBytes: Readonly<Record<WeightPrecision, number>>;
}

/** Bytes by type, given those of matrices that are only multiplied with and of everything else, both in float32. */
function byType(reads: readonly LeafReads[], bytesIn: (read: LeafReads) => number): Record<WeightPrecision, number> {
  const isMatrix = ({ readers }: LeafReads): boolean => [...readers].every((reader) => reader === 'matMul');
  const constants = reads.filter(({ kind }) => kind === 'constant');
  const share = (read: LeafReads, type: WeightPrecision): number => (isMatrix(read) ? bytesPerWeight[type](read.shape[read.shape.length - 1] ?? 1) / 4 : 1);
  const of = (type: WeightPrecision): number => constants.reduce((total, read) => total + bytesIn(read) * share(read, type), 0);
  return { float32: of('float32'), int8: of('int8'), int4: of('int4') };
}

/** Every leaf that one of the graphs reads, with the readers of all. */
function readByAny(graphs: readonly Graph[]): LeafReads[] {
  const found = new Map<string, LeafReads>();
  for (const read of graphs.flatMap(leafReads)) {
    const known = found.get(read.name);
    found.set(read.name, known === undefined ? read : { ...known, readers: new Set([...known.readers, ...read.readers]) });
  }
  return [...found.values()];
}

/** What making pictures costs, counted on the graphs that decode a row of tokens and read the text. */
export function planDecoding(configuration: PriorConfiguration, { candidates, branches }: { readonly candidates: number; readonly branches: number }): DecodingPlan {
  const { columns } = configuration.grid;
  const batch = { candidates, branches, span: columns };
  const row = decodeSpanGraph(configuration, batch, samplingPlan({ temperature: 1 }, configuration.codebookSize));
  const prefill = prefillGraph(configuration, batch, { known: 0, shared: true });
  const reads = leafReads(row);
  const patterns = layerPatterns(configuration);
  const layerOf = new Map(
    patterns.flatMap((_, layer) =>
      [decodeStateNames.keys, decodeStateNames.values, decodeStateNames.keysBefore, decodeStateNames.valuesBefore].map((nameOf) => [nameOf(layer), layer] as const),
    ),
  );
  const cache = new Map<AttentionPattern, { layers: number; bytes: number }>();
  for (const pattern of patterns) cache.set(pattern, { layers: (cache.get(pattern)?.layers ?? 0) + 1, bytes: 0 });
  let otherState = 0;
  for (const leaf of leavesOf(row, 'state')) {
    const group = cache.get(patterns[layerOf.get(leaf.name) ?? -1] ?? 'full');
    if (group === undefined || !layerOf.has(leaf.name)) otherState += bytesOf(leaf);
    else group.bytes += bytesOf(leaf);
  }
  return {
    candidates,
    branches,
    tokens: imageLengthOf(configuration),
    flopsPerToken: countFlops(row).total / columns / candidates,
    prefillFlops: countFlops(prefill).total,
    cache: Array.from(cache, ([pattern, { layers, bytes }]) => ({ pattern, layers, bytes })),
    otherState,
    weightBytes: byType(reads, ({ bytes }) => bytes / columns),
    stateBytes: reads.filter(({ kind }) => kind === 'state').reduce((sum, { bytes }) => sum + bytes, 0) / columns,
    loadedBytes: byType(readByAny([row, prefill]), ({ size }) => size),
  };
}

export interface DecodingSpeed {
  readonly type: WeightPrecision;
  /** Of all candidates together, bound by memory and by arithmetic; the lower one counts. */
  readonly tokensPerSecond: { readonly byBandwidth?: number; readonly byFlops?: number; readonly bound: number };
  readonly picturesPerHour: number;
  readonly dollarsPerThousand?: number;
}

/** How fast a machine makes pictures at best, with `pictureFlops` for the image tokenizer's decoder. Empty where nothing is known of the machine. */
export function decodingSpeeds(plan: DecodingPlan, { flops, bandwidth, dollarsPerHour }: Machine, pictureFlops: number): DecodingSpeed[] {
  if (flops === undefined && bandwidth === undefined) return [];
  return weightPrecisions.map((type) => {
    const reading = bandwidth === undefined ? undefined : (plan.weightBytes[type] + plan.stateBytes) / bandwidth;
    const computing = flops === undefined ? undefined : (plan.flopsPerToken * plan.candidates) / flops;
    const step = Math.max(reading ?? 0, computing ?? 0);
    const around = flops === undefined ? 0 : (plan.prefillFlops + plan.candidates * pictureFlops) / flops;
    const picturesPerHour = (3600 * plan.candidates) / (step * plan.tokens + around);
    return {
      type,
      tokensPerSecond: {
        ...(reading === undefined ? {} : { byBandwidth: plan.candidates / reading }),
        ...(computing === undefined ? {} : { byFlops: plan.candidates / computing }),
        bound: plan.candidates / step,
      },
      picturesPerHour,
      ...(dollarsPerHour === undefined ? {} : { dollarsPerThousand: (1000 * dollarsPerHour) / picturesPerHour }),
    };
  });
}
