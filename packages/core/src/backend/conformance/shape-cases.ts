import * as ops from '../../ops/index.js';
import { float32Array } from '../../tensor/index.js';
import { at, type ConformanceCase, forward, withGradients } from './conformance-case.js';

export function shapeCases(): ConformanceCase[] {
  const typed = (['float32', 'int32', 'bool'] as const).flatMap((dtype): ConformanceCase[] => [
    forward(`reshape: ${dtype}`, [{ shape: [2, 6], dtype }], (inputs) => ops.reshape(at(inputs, 0), [3, 4])),
    forward(`transpose: ${dtype}`, [{ shape: [2, 3, 4], dtype }], (inputs) => ops.transpose(at(inputs, 0), [2, 0, 1])),
    forward(`broadcastTo: ${dtype}`, [{ shape: [3, 1], dtype }], (inputs) => ops.broadcastTo(at(inputs, 0), [2, 3, 4])),
    forward(`slice: ${dtype}`, [{ shape: [4, 5], dtype }], (inputs) => ops.slice(at(inputs, 0), [1, 0], [2, 3], [2, 2])),
    forward(`pad: ${dtype}`, [{ shape: [2, 2], dtype }], (inputs) => ops.pad(at(inputs, 0), [1, 0], [0, 2], 1)),
    forward(
      `concat: ${dtype}`,
      [
        { shape: [2, 2], dtype },
        { shape: [2, 3], dtype },
      ],
      (inputs) => ops.concat([at(inputs, 0), at(inputs, 1)], 1),
    ),
    forward(`reverse: ${dtype}`, [{ shape: [2, 3], dtype }], (inputs) => ops.reverse(at(inputs, 0), [1])),
    forward(
      `gather: ${dtype} rows`,
      [
        { shape: [5, 2], dtype },
        { shape: [2, 3], dtype: 'int32' },
      ],
      (inputs) => ops.gather(at(inputs, 0), at(inputs, 1)),
    ),
  ]);
  return [
    ...typed,
    forward('iota: axis 1 of [2, 3]', [], (_, scope) => scope.iota([2, 3], 1)),
    forward('iota: axis 0 of [3, 1]', [], (_, scope) => scope.iota([3, 1], 0)),
    forward('literal: array', [], (_, scope) => scope.literal(float32Array([2, 2], [1.5, -0, 3, 4]))),
    ...withGradients('reshape: to a scalar', [{ shape: [1, 1] }], (inputs) => ops.reshape(at(inputs, 0), [])),
    forward('reshape: empty', [{ shape: [0, 3] }], (inputs) => ops.reshape(at(inputs, 0), [3, 0, 2])),
    ...withGradients('transpose: five axes', [{ shape: [2, 1, 3, 2, 2] }], (inputs) => ops.transpose(at(inputs, 0), [4, 2, 0, 3, 1])),
    ...withGradients('broadcastTo: from a scalar', [{ shape: [] }], (inputs) => ops.broadcastTo(at(inputs, 0), [2, 2])),
    ...withGradients('slice: strided', [{ shape: [7, 5] }], (inputs) => ops.slice(at(inputs, 0), [1, 0], [3, 2], [2, 3])),
    forward('slice: nothing', [{ shape: [3, 2] }], (inputs) => ops.slice(at(inputs, 0), [1, 0], [0, 2])),
    ...withGradients('pad: with a value', [{ shape: [2, 3] }], (inputs) => ops.pad(at(inputs, 0), [1, 0], [0, 2], -2.5)),
    forward('pad: an empty axis', [{ shape: [0, 2] }], (inputs) => ops.pad(at(inputs, 0), [1, 0], [1, 0], 7)),
    ...withGradients('concat: three', [{ shape: [2, 1] }, { shape: [2, 3] }, { shape: [2, 2] }], (inputs) => ops.concat(inputs, 1)),
    forward('concat: with an empty one', [{ shape: [0, 2] }, { shape: [2, 2] }], (inputs) => ops.concat(inputs, 0)),
    ...withGradients('reverse: two axes', [{ shape: [2, 3, 2] }], (inputs) => ops.reverse(at(inputs, 0), [0, 2])),
  ];
}
