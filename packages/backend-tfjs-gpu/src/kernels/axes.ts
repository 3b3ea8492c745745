import { type Shape, sizeOf } from '@tesserae/core';
import type { Tf, TfTensor } from '../tensorflow.js';

/**
 * Neighbouring axes that an operation treats alike are one axis to it: `[2, 3, 4, 5]` summed over the last two is
 * `[6, 20]` summed over the last. So the few axes that kernels take are enough for any rank.
 * @param joins whether an axis may be one with the axis before it.
 */
export function runsOfAxes(axes: readonly number[], joins: (axis: number, before: number) => boolean): number[][] {
  const runs: number[][] = [];
  for (const axis of axes) {
    const run = runs[runs.length - 1];
    const before = run?.[run.length - 1];
    if (run !== undefined && before !== undefined && joins(axis, before)) run.push(axis);
    else runs.push([axis]);
  }
  return runs;
}

export function axesOf(shape: Shape): number[] {
  return shape.map((_, axis) => axis);
}

/** One size a run. */
export function sizesOfRuns(shape: Shape, runs: readonly (readonly number[])[]): number[] {
  return runs.map((run) => sizeOf(run.map((axis) => shape[axis] ?? 1)));
}

/** Sizes of what lies before an axis, of the axis, and of what lies after it. */
export function aroundAxis(shape: Shape, axis: number): [number, number, number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis] ?? 1, sizeOf(shape.slice(axis + 1))];
}

/** Applies a function of axis 1 of three to an axis of `x`, whatever its rank. The result may have another length there. */
export function alongAxis(tf: Tf, x: TfTensor, axis: number, compute: (x: TfTensor) => TfTensor): TfTensor {
  const out = compute(tf.reshape(x, aroundAxis(x.shape, axis)));
  return tf.reshape(out, [...x.shape.slice(0, axis), out.shape[1] ?? 1, ...x.shape.slice(axis + 1)]);
}
