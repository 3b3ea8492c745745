import * as ops from '../../ops/index.js';
import type { Shape } from '../../tensor/index.js';
import { at, type ConformanceCase, coarse, forward, withGradients } from './conformance-case.js';

export function reductionCases(): ConformanceCase[] {
  const reductions: readonly (readonly [Shape, readonly number[]])[] = [
    [[2, 3, 4], [1]],
    [
      [2, 3, 4],
      [0, 2],
    ],
    [
      [2, 3],
      [0, 1],
    ],
    [[1, 3], [0]],
    [[0, 3], [0]],
    [[0, 3], [1]],
    [
      [2, 3, 2, 2, 2, 2],
      [3, 5],
    ],
  ];
  return [
    ...reductions.flatMap(([shape, axes]) =>
      [true, false].flatMap((keepDimensions) => [
        ...withGradients(`reduceSum: [${shape}] over [${axes}]${keepDimensions ? ', kept' : ''}`, [{ shape }], (inputs) => ops.reduceSum(at(inputs, 0), { axes, keepDimensions })),
        ...withGradients(`reduceMax: [${shape}] over [${axes}]${keepDimensions ? ', kept' : ''}`, [{ shape, from: coarse }], (inputs) =>
          ops.reduceMax(at(inputs, 0), { axes, keepDimensions }),
        ),
      ]),
    ),
    forward('reduceSum: int32', [{ shape: [2, 3], dtype: 'int32' }], (inputs) => ops.reduceSum(at(inputs, 0), { axes: [1] })),
    forward('reduceMax: int32', [{ shape: [2, 3], dtype: 'int32' }], (inputs) => ops.reduceMax(at(inputs, 0), { axes: [0] })),
    ...[0, 1, 2].map((axis) => forward(`argMax: axis ${axis}, with ties`, [{ shape: [3, 4, 5], from: coarse }], (inputs) => ops.argMax(at(inputs, 0), axis))),
    forward('argMax: no rows', [{ shape: [0, 4] }], (inputs) => ops.argMax(at(inputs, 0), 1)),
    ...[0, 1].flatMap((axis) => withGradients(`cumulativeSum: axis ${axis}`, [{ shape: [3, 4] }], (inputs) => ops.cumulativeSum(at(inputs, 0), axis))),
    forward('cumulativeSum: empty', [{ shape: [2, 0] }], (inputs) => ops.cumulativeSum(at(inputs, 0), 1)),
    ...withGradients('topValues: 3 of 7', [{ shape: [2, 7] }], (inputs) => ops.topValues(at(inputs, 0), 3)),
    forward('topValues: all, with ties', [{ shape: [2, 6], from: coarse }], (inputs) => ops.topValues(at(inputs, 0), 6)),
  ];
}
