import {
  broadcastTo,
  concat,
  gather,
  type HostArrayOf,
  int32Array,
  less,
  matMul,
  pad,
  replaceSlice,
  reshape,
  type Shape,
  slice,
  sliceAxis,
  type Tensor,
  transpose,
  where,
} from '@tesserae/core';
import type { KeysAndValues } from './blocks/stack.js';
import type { CacheLayout } from './cache-layout.js';
import { headSizeOf, imageLengthOf, type PriorConfiguration, prefixLengthOf } from './configuration.js';

/** What decoding programs that share caches have in common. */
export interface DecodeBatch {
  /** Candidates decoded together. */
  readonly candidates: number;
  /** Guidance branches each is asked by. */
  readonly branches: number;
  /** Tokens a program call: a row of the grid, or one. */
  readonly span: number;
}

/**
 * How a layer's keys are stored, and its values alike. What stands before the picture is the same for all candidates of a
 * branch and is kept once: in an array of its own, or, for one candidate, in front of the picture, for one product less a token.
 */
export interface CacheStorage {
  readonly layout: CacheLayout;
  /** [branches, heads, prefix, headSize]; none where `image` begins with it. */
  readonly before: Shape | undefined;
  /**
   * [branches, heads, (prefix +) positions, headSize] for one candidate, [branches, heads, candidates, positions, headSize] for more. Of columns
   * [branches, heads, (candidates,) columns, rows, headSize]: a column, which every token reads, lies in one piece.
   */
  readonly image: Shape;
  /** Where the first image position lies in `image`. */
  readonly offset: number;
}

export function cacheStorage(configuration: PriorConfiguration, layout: CacheLayout, { candidates, branches }: DecodeBatch): CacheStorage {
  const prefix = prefixLengthOf(configuration);
  const { heads, grid } = configuration;
  const headSize = headSizeOf(configuration);
  if (candidates === 1 && (layout.kind === 'whole' || layout.kind === 'ring')) {
    return { layout, before: undefined, image: [branches, heads, prefix + layout.positions, headSize], offset: prefix };
  }
  const positions = layout.kind === 'column' ? [grid.columns, grid.rows] : [layout.positions];
  const image = [branches, heads, ...(candidates === 1 ? [] : [candidates]), ...positions, headSize];
  return { layout, before: [branches, heads, prefix, headSize], image, offset: 0 };
}

/** Keys, or values, of one token for every candidate as a piece of one position: [branches, heads, candidates, headSize] → [branches, heads, (candidates,) 1, headSize]. */
export function onePosition(x: Tensor): Tensor {
  const [branches = 0, heads = 0, candidates = 0, headSize = 0] = x.shape;
  return candidates === 1 ? x : reshape(x, [branches, heads, candidates, 1, headSize]);
}

/** The axis of positions: of [branches, heads, (candidates,) positions, headSize]. */
export const positionAxis = (shape: Shape): number => shape.length - 2;

/** Zeros that an engine cannot know before x is there: ONNX Runtime would hold a copy for every cache that begins with them, beside the cache. */
function zerosAfter(x: Tensor, shape: Shape): Tensor {
  const first = slice(
    x,
    x.shape.map(() => 0),
    x.shape.map(() => 1),
  );
  return broadcastTo(where(less(reshape(first, []), 0), 0, 0), shape);
}

/** The image part of a first cache: [rows, heads, prefix + known, headSize] → [rows, heads, positions, headSize]. */
function beginImage(all: Tensor, prefix: number, positions: number): Tensor {
  const [rows = 0, heads = 0, length = 0, headSize = 0] = all.shape;
  const known = length - prefix;
  if (known === 0) return zerosAfter(all, [rows, heads, positions, headSize]);
  if (known <= positions) return pad(sliceAxis(all, 2, prefix, known), [0, 0, 0, 0], [0, 0, positions - known, 0]);
  // A ring that has been gone round: the latest tokens lie from its beginning on, older ones behind them.
  const latest = known % positions;
  const older = sliceAxis(all, 2, prefix + known - positions, positions - latest);
  return latest === 0 ? older : concat([sliceAxis(all, 2, prefix + known - latest, latest), older], 2);
}

/** Positions as they are kept (`CacheStorage.image`): [rows, heads, positions, headSize] → the same, or [rows, heads, columns, rows, headSize]. */
function byColumn(x: Tensor, { layout, image }: CacheStorage): Tensor {
  if (layout.kind !== 'column') return x;
  const [rows = 0, heads = 0, , headSize = 0] = x.shape;
  const [columns = 0, length = 0] = image.slice(-3);
  return transpose(reshape(x, [rows, heads, length, columns, headSize]), [0, 1, 3, 2, 4]);
}

/**
 * The first cache after a forward pass over the beginning: [rows, heads, prefix + known, headSize], where the rows are
 * branches, or branches·candidates if the candidates begin differently.
 */
export function beginCache(all: Tensor, prefix: number, storage: CacheStorage, { candidates, branches }: DecodeBatch): { readonly before?: Tensor; readonly image: Tensor } {
  const before = sliceAxis(all, 2, 0, prefix);
  const begun = byColumn(beginImage(all, prefix, storage.layout.positions), storage);
  if (storage.before === undefined) return { image: concat([before, begun], 2) };
  const ofBranch = { before: firstOfBranch(before, branches) };
  if (candidates === 1) return { ...ofBranch, image: begun };
  const [rows = 0, heads = 0, ...kept] = begun.shape;
  if (rows === branches) return { ...ofBranch, image: broadcastTo(reshape(begun, [branches, heads, 1, ...kept]), storage.image) };
  return { ...ofBranch, image: transpose(reshape(begun, [branches, candidates, heads, ...kept]), [0, 2, 1, ...kept.map((_, axis) => axis + 3)]) };
}

/** What all candidates of a branch have alike: [branches or branches·candidates, …] → [branches, …]. */
export function firstOfBranch(x: Tensor, branches: number): Tensor {
  const [rows = 0, ...rest] = x.shape;
  return rows === branches ? x : reshape(sliceAxis(reshape(x, [branches, rows / branches, ...rest]), 1, 0, 1), [branches, ...rest]);
}

/** The column that each image position stands in: int32 [positions]. */
export function columnsOfPositions(configuration: PriorConfiguration): HostArrayOf<'int32'> {
  const positions = imageLengthOf(configuration);
  return int32Array(
    [positions],
    Int32Array.from({ length: positions }, (_, position) => position % configuration.grid.columns),
  );
}

/** Where in the cache each span's tokens go, of columns the row; in a window, each token: int32 [spans]. */
export function spanPlaces(configuration: PriorConfiguration, { layout, offset }: CacheStorage, span: number): HostArrayOf<'int32'> {
  const spans = imageLengthOf(configuration) / span;
  const placeOf = (start: number): number => (layout.kind === 'column' ? Math.floor(start / configuration.grid.columns) : start % layout.positions);
  return int32Array(
    [spans],
    Int32Array.from({ length: spans }, (_, index) => offset + placeOf(index * span)),
  );
}

/** One layer's keys and values before the span, as a decoding program reads them; a window is not among them, which the loop carries. */
export interface PastReader {
  /** The pieces that a token in `column` reads, in the mask's order: [branches, heads, (candidates,) length, headSize]. */
  at(column: Tensor): readonly KeysAndValues[];
}

const mapBoth = ({ keys, values }: KeysAndValues, change: (x: Tensor) => Tensor): KeysAndValues => ({ keys: change(keys), values: change(values) });

/** One column of [branches, heads, (candidates,) columns, rows, headSize]. */
const columnOf = (image: Tensor, column: Tensor): Tensor => gather(image, column, image.shape.length - 3);

/** `before` and `image` are the arrays that `storage` says. */
export function readPast({ layout }: CacheStorage, before: KeysAndValues | undefined, image: KeysAndValues): PastReader {
  const first = before === undefined ? [] : [before];
  return {
    at(column) {
      if (layout.kind === 'window') return first;
      return [...first, layout.kind === 'column' ? mapBoth(image, (x) => columnOf(x, column)) : image];
    },
  };
}

/**
 * A cache with the keys, or values, of a span [branches, heads, (candidates,) span, headSize] written over a part of it, which an engine can do in
 * place. `place` is the span's (`spanPlaces`), `column` its first token's.
 */
export function writeSpan({ layout }: CacheStorage, image: Tensor, span: Tensor, { place, column }: { readonly place: Tensor; readonly column: Tensor }): Tensor {
  const along = positionAxis(span.shape);
  if (layout.kind !== 'column') return replaceSlice(image, span, place, along);
  const [columns = 0, rows = 0, headSize = 0] = image.shape.slice(-3);
  const outer = image.shape.slice(0, -3);
  if (span.shape[along] === columns) return replaceSlice(image, reshape(span, [...outer, columns, 1, headSize]), place, along + 1);
  return replaceSlice(image, reshape(replaceSlice(columnOf(image, column), span, place, along), [...outer, 1, rows, headSize]), column, along);
}

/** The keys, or values, of a span's tokens one behind the other: [span, branches, heads, (candidates,) 1, headSize] → [branches, heads, (candidates,) span, headSize]. */
export function joinTokens(stacked: Tensor): Tensor {
  const [span = 0, ...rest] = stacked.shape;
  const outer = rest.slice(0, -2);
  const axes = outer.map((_, axis) => axis + 1);
  return transpose(reshape(stacked, [span, ...outer, rest[rest.length - 1] ?? 0]), [...axes, 0, axes.length + 1]);
}

/** Scores of one piece: queries [branches, heads, candidates, headSize] → [branches, heads, candidates, length]. */
export function scorePiece(queries: Tensor, keys: Tensor): Tensor {
  if (keys.shape.length === 4) return matMul(queries, keys, { transposeB: true });
  const [branches = 0, heads = 0, candidates = 0, headSize = 0] = queries.shape;
  const scores = matMul(reshape(queries, [branches, heads, candidates, 1, headSize]), keys, { transposeB: true });
  return reshape(scores, [branches, heads, candidates, keys.shape[3] ?? 0]);
}

/** Weights [branches, heads, candidates, length] on the values of one piece → [branches, heads, candidates, headSize]. */
export function weighPiece(weights: Tensor, values: Tensor): Tensor {
  if (values.shape.length === 4) return matMul(weights, values);
  const [branches = 0, heads = 0, candidates = 0, length = 0] = weights.shape;
  return reshape(matMul(reshape(weights, [branches, heads, candidates, 1, length]), values), [branches, heads, candidates, values.shape[4] ?? 0]);
}
