import type { Tensor } from '../graph/index.js';
import { add, cast, cos, divide, maximum, minimum, multiply, subtract } from '../ops/index.js';

/**
 * A number that changes with the step, as data: printed, saved with the model, evaluated on the host for display and
 * in the graph for training, from one definition.
 */
export type Schedule =
  | { readonly kind: 'constant'; readonly value: number }
  /** Half a cosine from `from` at step 0 to `to` at step `steps`, then constant (DALL-E paper, Appendix A). */
  | { readonly kind: 'cosine'; readonly from: number; readonly to: number; readonly steps: number }
  /** Linear from 0 to `peak` over `warmup` steps, then half a cosine to `final` at step `steps`. */
  | { readonly kind: 'warmup-cosine'; readonly peak: number; readonly warmup: number; readonly final: number; readonly steps: number };

/** The schedule's value at a step (0 is the first). */
export function scheduleValue(schedule: Schedule, step: number): number {
  switch (schedule.kind) {
    case 'constant':
      return schedule.value;
    case 'cosine': {
      const progress = Math.min(1, step / Math.max(1, schedule.steps));
      return schedule.to + (schedule.from - schedule.to) * 0.5 * (1 + Math.cos(Math.PI * progress));
    }
    case 'warmup-cosine': {
      const rise = Math.min(1, (step + 1) / Math.max(1, schedule.warmup));
      const progress = Math.min(1, Math.max(0, (step - schedule.warmup) / Math.max(1, schedule.steps - schedule.warmup)));
      return rise * (schedule.final + (schedule.peak - schedule.final) * 0.5 * (1 + Math.cos(Math.PI * progress)));
    }
    default:
      return schedule satisfies never;
  }
}

/** The same value in the graph: `step` is an int32 scalar, the result a float32 scalar. */
export function scheduleTensor(schedule: Schedule, step: Tensor): Tensor {
  const at = cast(step, 'float32');
  const halfCosine = (progress: Tensor): Tensor => multiply(add(cos(multiply(progress, Math.PI)), 1), 0.5);
  switch (schedule.kind) {
    case 'constant':
      return add(multiply(at, 0), schedule.value);
    case 'cosine': {
      const progress = minimum(divide(at, Math.max(1, schedule.steps)), 1);
      return add(multiply(halfCosine(progress), schedule.from - schedule.to), schedule.to);
    }
    case 'warmup-cosine': {
      const rise = minimum(divide(add(at, 1), Math.max(1, schedule.warmup)), 1);
      const progress = minimum(maximum(divide(subtract(at, schedule.warmup), Math.max(1, schedule.steps - schedule.warmup)), 0), 1);
      return multiply(rise, add(multiply(halfCosine(progress), schedule.peak - schedule.final), schedule.final));
    }
    default:
      return schedule satisfies never;
  }
}
