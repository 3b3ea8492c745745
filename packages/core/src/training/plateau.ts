import type { Tensor, TraceScope } from '../graph/index.js';
import { add, cast, divide, greaterOrEqual, less, lessOrEqual, logicalAnd, minimum, multiply, power, subtract, where } from '../ops/index.js';
import { float32Array, type HostArray } from '../tensor/index.js';
import { stateNames } from './optimizer.js';

/**
 * Linear from 0 to `peak` over `warmup` updates, then halved whenever the training loss stops falling, `halvings` times at most: what the
 * DALL-E paper did by hand, five times (Appendix B). A plateau is a mean of the loss over `window` updates that is not lower than the lowest
 * such mean before it by the share `improvement` of that mean. What it goes by is part of the training state, so a resumed training halves
 * at the same updates.
 */
export interface PlateauSchedule {
  readonly kind: 'warmup-plateau';
  readonly peak: number;
  readonly warmup: number;
  readonly window: number;
  readonly improvement: number;
  readonly halvings: number;
}

/** Higher than any mean loss, and still a float32. */
const noneYet = 3e38;

const initial = { sum: 0, count: 0, lowest: noneYet, halvings: 0 } as const;

/** What the schedule remembers before the first update. */
export function initialPlateau(): Map<string, HostArray> {
  return new Map(Object.entries(initial).map(([name, value]) => [stateNames.plateau(name), float32Array([], [value])] as const));
}

/**
 * The learning rate of this update, a float32 scalar, and what is remembered for the next, given this update's `loss`.
 * `assign` is not called before the loss is known.
 */
export function plateauRate(
  { peak, warmup, window, improvement, halvings }: PlateauSchedule,
  step: Tensor,
  scope: TraceScope,
): { readonly rate: Tensor; remember(loss: Tensor, assign: TraceScope['assign']): void } {
  const before = (name: keyof typeof initial): Tensor => scope.state(stateNames.plateau(name), []);
  const [sum, count, lowest, halved] = [before('sum'), before('count'), before('lowest'), before('halvings')];
  const at = cast(step, 'float32');
  const rise = minimum(divide(add(at, 1), Math.max(1, warmup)), 1);
  return {
    rate: multiply(multiply(rise, peak), power(add(multiply(halved, 0), 0.5), halved)),
    remember(loss, assign) {
      // The loss of the warm-up says nothing about the rate it leads to.
      const counts = greaterOrEqual(at, warmup);
      const [newSum, newCount] = [where(counts, add(sum, loss), sum), where(counts, add(count, 1), count)];
      const isFull = greaterOrEqual(newCount, window);
      const mean = divide(newSum, window);
      const needed = subtract(lowest, multiply(where(less(lowest, 0), multiply(lowest, -1), lowest), improvement));
      const isPlateau = logicalAnd(isFull, logicalAnd(less(needed, mean), lessOrEqual(add(halved, 1), halvings)));
      assign(stateNames.plateau('sum'), where(isFull, 0, newSum));
      assign(stateNames.plateau('count'), where(isFull, 0, newCount));
      assign(stateNames.plateau('lowest'), where(isFull, minimum(lowest, mean), lowest));
      assign(stateNames.plateau('halvings'), add(halved, cast(isPlateau, 'float32')));
    },
  };
}
