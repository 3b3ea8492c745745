import { apply } from '../../graph/index.js';
import * as ops from '../../ops/index.js';
import { int32Array } from '../../tensor/index.js';
import { at, type ConformanceCase, forward, withGradients } from './conformance-case.js';

export function compositeCases(): ConformanceCase[] {
  const heads = { shape: [2, 2, 3, 4] };
  return [
    ...withGradients('layerNorm: [2, 3, 5]', [{ shape: [2, 3, 5] }, { shape: [5] }, { shape: [5] }], (inputs) => ops.layerNorm(at(inputs, 0), at(inputs, 1), at(inputs, 2))),
    ...withGradients('rmsNorm: [2, 3, 5]', [{ shape: [2, 3, 5] }, { shape: [5] }], (inputs) => ops.rmsNorm(at(inputs, 0), at(inputs, 1))),
    ...withGradients('groupNorm: 2 groups', [{ shape: [2, 4, 3, 2] }, { shape: [4] }, { shape: [4] }], (inputs) => ops.groupNorm(at(inputs, 0), at(inputs, 1), at(inputs, 2), 2)),
    ...(['exact', 'tanh', 'quick'] as const).flatMap((approximation) =>
      withGradients(`gelu: ${approximation}`, [{ shape: [3, 4] }], (inputs) => ops.gelu(at(inputs, 0), approximation)),
    ),
    ...withGradients('attention: plain', [heads, heads, heads], (inputs) => ops.attention(at(inputs, 0), at(inputs, 1), at(inputs, 2))),
    ...withGradients('attention: causal mask', [heads, heads, heads], (inputs, scope) => {
      const mask = ops.lessOrEqual(scope.iota([3, 3], 1), scope.iota([3, 3], 0));
      return ops.attention(at(inputs, 0), at(inputs, 1), at(inputs, 2), { mask });
    }),
    ...withGradients('crossEntropy: [2, 3]', [{ shape: [2, 3, 6] }, { shape: [2, 3], dtype: 'int32' }], (inputs) => ops.crossEntropy(at(inputs, 0), at(inputs, 1))),
    ...withGradients('crossEntropyGradient: [2, 3]', [{ shape: [2, 3, 6] }, { shape: [2, 3], dtype: 'int32' }, { shape: [2, 3] }], (inputs) =>
      apply('crossEntropyGradient', [at(inputs, 0), at(inputs, 1), at(inputs, 2)], {}),
    ),
    forward('oneHot: depth 5', [{ shape: [2, 3], dtype: 'int32' }], (inputs) => ops.oneHot(at(inputs, 0), 5)),
    ...withGradients('gather: rows, repeated', [{ shape: [5, 3] }, { shape: [2, 4], dtype: 'int32' }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1))),
    ...withGradients('gather: axis 1', [{ shape: [2, 5, 3] }, { shape: [4], dtype: 'int32' }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1), 1)),
    forward('gather: by a scalar', [{ shape: [5, 3] }, { shape: [], dtype: 'int32' }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1))),
    forward('gather: no indices', [{ shape: [5, 3] }, { shape: [0], dtype: 'int32' }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1))),
    ...([0, 1, 2] as const).flatMap((axis) =>
      withGradients(`replaceSlice: axis ${axis}`, [{ shape: [3, 4, 5] }, { shape: [3, 4, 5].map((length, index) => (index === axis ? 2 : length)) }], (inputs, scope) =>
        ops.replaceSlice(at(inputs, 0), at(inputs, 1), scope.literal(int32Array([], [1])), axis),
      ),
    ),
    ...withGradients('replaceSlice: one row', [{ shape: [2, 4, 3] }, { shape: [2, 1, 3] }], (inputs, scope) =>
      ops.replaceSlice(at(inputs, 0), at(inputs, 1), scope.literal(int32Array([], [3])), 1),
    ),
    ...withGradients('replaceSlice: all of it', [{ shape: [3, 2] }, { shape: [3, 2] }], (inputs, scope) =>
      ops.replaceSlice(at(inputs, 0), at(inputs, 1), scope.literal(int32Array([], [0])), -1),
    ),
    forward(
      'replaceSlice: whole numbers',
      [
        { shape: [2, 4], dtype: 'int32' },
        { shape: [2, 1], dtype: 'int32' },
      ],
      (inputs, scope) => ops.replaceSlice(at(inputs, 0), at(inputs, 1), scope.literal(int32Array([], [2])), 1),
    ),
    forward('replaceSlice: of nothing', [{ shape: [0, 4] }, { shape: [0, 2] }], (inputs, scope) =>
      ops.replaceSlice(at(inputs, 0), at(inputs, 1), scope.literal(int32Array([], [1])), 1),
    ),
    ...withGradients('scatterAdd: repeated rows', [{ shape: [2, 4], dtype: 'int32' }, { shape: [2, 4, 3] }], (inputs) => ops.scatterAdd(at(inputs, 0), at(inputs, 1), 6)),
    ...withGradients('scatterAdd: numbers', [{ shape: [7], dtype: 'int32' }, { shape: [7] }], (inputs) => ops.scatterAdd(at(inputs, 0), at(inputs, 1), 5)),
  ];
}
