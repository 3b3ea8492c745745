import { apply, loop, trace } from '../../graph/index.js';
import * as ops from '../../ops/index.js';
import { int32Array, type Shape } from '../../tensor/index.js';
import { at, type Build, type ConformanceCase, coarse, forward, type InputSpec, tolerance, valuesOf, withGradients } from './conformance-case.js';

/** Axes of length zero, where engines differ or fail, and of length one, where they take short cuts. */
export function edgeCases(): ConformanceCase[] {
  const heads = (queries: number, batch = 1): InputSpec => ({ shape: [batch, 2, queries, 4] });
  const attend: Build = (inputs) => ops.attention(at(inputs, 0), at(inputs, 1), at(inputs, 2));
  const stateful = (shape: Shape): ConformanceCase => {
    const graph = trace(`state: [${shape}]`, (scope) => {
      const total = scope.state('total', shape);
      scope.output('doubled', ops.multiply(total, 2));
      scope.assign('total', ops.add(total, scope.input('x', shape)));
    });
    return { name: graph.name, graph, inputs: { x: valuesOf({ shape }, graph.name, 0) }, state: new Map([['total', valuesOf({ shape }, graph.name, 1)]]), tolerance };
  };
  return [
    ...(
      [
        [0, 2],
        [1, 3],
      ] as const
    ).flatMap((shape) => [
      forward(`logicalNot: [${shape}]`, [{ shape, dtype: 'bool' }], (inputs) => ops.logicalNot(at(inputs, 0))),
      ...(['logicalAnd', 'logicalOr'] as const).map((name) =>
        forward(
          `${name}: [${shape}] with one`,
          [
            { shape, dtype: 'bool' },
            { shape: [1, 1], dtype: 'bool' },
          ],
          (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
        ),
      ),
      ...(['int32', 'bool'] as const).map((dtype) => forward(`cast: [${shape}] to ${dtype}`, [{ shape, from: coarse }], (inputs) => ops.cast(at(inputs, 0), dtype))),
      ...withGradients(`where: [${shape}] with one`, [{ shape, dtype: 'bool' }, { shape }, { shape: [1, 1] }], (inputs) => ops.where(at(inputs, 0), at(inputs, 1), at(inputs, 2))),
      ...withGradients(`transpose: [${shape}]`, [{ shape }], (inputs) => ops.transpose(at(inputs, 0), [1, 0])),
      ...withGradients(`reverse: [${shape}]`, [{ shape }], (inputs) => ops.reverse(at(inputs, 0), [0, 1])),
      ...withGradients(`gelu: [${shape}]`, [{ shape }], (inputs) => ops.gelu(at(inputs, 0))),
      forward(`iota: axis 1 of [${shape}]`, [], (_, scope) => scope.iota(shape, 1)),
      forward(`literal: [${shape}]`, [], (_, scope) => scope.literal(int32Array(shape, shape[0] === 0 ? [] : [5, -6, 7]))),
      stateful(shape),
    ]),
    ...withGradients('broadcastTo: empty', [{ shape: [0, 1] }], (inputs) => ops.broadcastTo(at(inputs, 0), [2, 0, 3])),
    ...withGradients('concat: of one element each', [{ shape: [1, 1] }, { shape: [1, 1] }], (inputs) => ops.concat(inputs, 0)),
    ...withGradients('slice: one element', [{ shape: [1, 3] }], (inputs) => ops.slice(at(inputs, 0), [0, 2], [1, 1])),
    ...withGradients('pad: one element', [{ shape: [1, 1] }], (inputs) => ops.pad(at(inputs, 0), [0, 2], [1, 0], 3)),
    forward('argMax: an axis of one', [{ shape: [3, 1] }], (inputs) => ops.argMax(at(inputs, 0), 1)),
    ...withGradients('cumulativeSum: an axis of one', [{ shape: [1, 4] }], (inputs) => ops.cumulativeSum(at(inputs, 0), 0)),
    ...withGradients('topValues: 1 of 1', [{ shape: [3, 1] }], (inputs) => ops.topValues(at(inputs, 0), 1)),
    ...withGradients('topValues: no rows', [{ shape: [0, 4] }], (inputs) => ops.topValues(at(inputs, 0), 2)),
    ...withGradients('matMul: one by one', [{ shape: [2, 1, 1] }, { shape: [1, 1] }], (inputs) => ops.matMul(at(inputs, 0), at(inputs, 1))),
    ...withGradients('matMul: no rows', [{ shape: [0, 3] }, { shape: [3, 2] }], (inputs) => ops.matMul(at(inputs, 0), at(inputs, 1))),
    ...withGradients('gather: from one row', [{ shape: [1, 3] }, { shape: [1], dtype: 'int32', from: () => 0 }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1))),
    ...withGradients('scatterAdd: to one row', [{ shape: [1], dtype: 'int32', from: () => 0 }, { shape: [1, 3] }], (inputs) => ops.scatterAdd(at(inputs, 0), at(inputs, 1), 1)),
    ...withGradients('scatterAdd: nothing', [{ shape: [0], dtype: 'int32' }, { shape: [0, 3] }], (inputs) => ops.scatterAdd(at(inputs, 0), at(inputs, 1), 4)),
    ...(
      [
        [0, 5],
        [2, 1],
      ] as const
    ).flatMap(([rows, width]) => [
      ...withGradients(`layerNorm: [${rows}, ${width}]`, [{ shape: [rows, width] }, { shape: [width] }, { shape: [width] }], (inputs) =>
        ops.layerNorm(at(inputs, 0), at(inputs, 1), at(inputs, 2)),
      ),
      ...withGradients(`rmsNorm: [${rows}, ${width}]`, [{ shape: [rows, width] }, { shape: [width] }], (inputs) => ops.rmsNorm(at(inputs, 0), at(inputs, 1))),
      ...withGradients(`crossEntropy: [${rows}, ${width}]`, [{ shape: [rows, width] }, { shape: [rows], dtype: 'int32', from: () => 0 }], (inputs) =>
        ops.crossEntropy(at(inputs, 0), at(inputs, 1)),
      ),
      ...withGradients(`crossEntropyGradient: [${rows}, ${width}]`, [{ shape: [rows, width] }, { shape: [rows], dtype: 'int32', from: () => 0 }, { shape: [rows] }], (inputs) =>
        apply('crossEntropyGradient', [at(inputs, 0), at(inputs, 1), at(inputs, 2)], {}),
      ),
      forward(`oneHot: [${rows}] of ${width}`, [{ shape: [rows], dtype: 'int32' }], (inputs) => ops.oneHot(at(inputs, 0), width)),
    ]),
    ...withGradients('groupNorm: no pictures', [{ shape: [0, 4, 2, 2] }, { shape: [4] }, { shape: [4] }], (inputs) =>
      ops.groupNorm(at(inputs, 0), at(inputs, 1), at(inputs, 2), 2),
    ),
    ...withGradients('groupNorm: one pixel', [{ shape: [1, 4, 1, 1] }, { shape: [4] }, { shape: [4] }], (inputs) => ops.groupNorm(at(inputs, 0), at(inputs, 1), at(inputs, 2), 1)),
    ...withGradients('attention: no pictures', [heads(3, 0), heads(3, 0), heads(3, 0)], attend),
    ...withGradients('attention: no queries', [heads(0), heads(3), heads(3)], attend),
    forward('attention: no keys', [heads(3), heads(0), heads(0)], attend),
    ...withGradients('attention: one query, one key', [heads(1), heads(1), heads(1)], attend),
    ...(
      [
        [0, 2, 4, 4],
        [1, 1, 2, 2],
      ] as const
    ).flatMap((shape) => [
      ...withGradients(`maxPool2d: [${shape}]`, [{ shape }], (inputs) => ops.maxPool2d(at(inputs, 0))),
      ...withGradients(`sumPool2d: [${shape}]`, [{ shape }], (inputs) => ops.sumPool2d(at(inputs, 0))),
      ...withGradients(`upsampleNearest2d: [${shape}]`, [{ shape }], (inputs) => ops.upsampleNearest2d(at(inputs, 0))),
    ]),
    ...withGradients('loop: once, over one element', [{ shape: [1] }], (inputs, scope) => {
      const x = at(inputs, 0);
      const results = loop(scope, 1, [x], (_, [value = x]) => ({ carried: [ops.sin(value)], stacked: [value] }));
      return ops.concat([results.carried[0] ?? x, ops.reshape(results.stacked[0] ?? x, [1])], 0);
    }),
    forward('loop: over nothing', [{ shape: [0, 2] }], (inputs, scope) => {
      const x = at(inputs, 0);
      return loop(scope, 3, [x], (_, [value = x]) => ({ carried: [ops.sin(value)], stacked: [value] })).stacked[0] ?? x;
    }),
  ];
}
