import { TesseraeError } from '../errors/index.js';
import { type Graph, leavesOf, type Tensor, type TraceScope } from '../graph/index.js';
import { add, divide } from '../ops/index.js';
import { type HostArray, zerosArray } from '../tensor/index.js';

const place = 'accumulated.';

/** Where the sum of a value over the earlier batches of an update is kept. */
export const accumulatedName = (name: string): string => `${place}${name}`;

/** Whether a state belongs to an update that is under way: no checkpoint has it. */
export const isAccumulated = (stateName: string): boolean => stateName.startsWith(place);

/** @throws TesseraeError `invalid-argument` for a number of batches that is none. */
export function checkAccumulate(accumulate: number): number {
  if (Number.isInteger(accumulate) && accumulate >= 1) return accumulate;
  throw new TesseraeError('invalid-argument', `An update cannot be the mean of ${accumulate} batches.`, { remedy: 'Use an accumulate of at least 1.', details: { accumulate } });
}

export type Values = ReadonlyMap<string, Tensor>;

/** The sums that the earlier batches of the update left, with this batch's values added. */
export function addToSums(scope: TraceScope, values: Values): Map<string, Tensor> {
  return new Map(Array.from(values, ([name, value]) => [name, add(scope.state(accumulatedName(name), value.shape, value.dtype), value)] as const));
}

/** Keeps sums for the next batch of the update. */
export function keepSums(scope: TraceScope, sums: Values): void {
  for (const [name, sum] of sums) scope.assign(accumulatedName(name), sum);
}

/** Means over the batches of an update, of which this is the last; the sums begin again at 0. */
export function meansOf(scope: TraceScope, values: Values, accumulate: number): Values {
  if (accumulate === 1) return values;
  const sums = addToSums(scope, values);
  for (const [name, { shape }] of sums) scope.assign(accumulatedName(name), scope.literal(zerosArray(shape)));
  return new Map(Array.from(sums, ([name, sum]) => [name, divide(sum, accumulate)] as const));
}

/** Empty sums for the graphs of a training step: what they read at the beginning of an update. */
export function emptySums(graph: Graph): Map<string, HostArray> {
  return new Map(leavesOf(graph, 'state').flatMap(({ name, shape, dtype }) => (isAccumulated(name) ? [[name, zerosArray(shape, dtype)] as const] : [])));
}
