import { describe, expect, it } from 'vitest';
import { isTesseraeError } from '../errors/index.js';
import * as ops from '../ops/index.js';
import type { DType, Shape } from '../tensor/index.js';
import { type OperationName, type Tensor, type TraceScope, trace } from './index.js';

type Build = (at: (shape: Shape, dtype?: DType) => Tensor, scope: TraceScope) => Tensor;

/** What an expression over fresh inputs is: `float32 [2, 3]`, or the code and message of its refusal. */
function typeOf(build: Build): string {
  let type = '';
  try {
    trace('test', (scope) => {
      let count = 0;
      const input = (shape: Shape, dtype: DType = 'float32'): Tensor => {
        count += 1;
        return scope.input(`x${count}`, shape, dtype);
      };
      const { dtype, shape } = build(input, scope);
      type = `${dtype} [${shape.join(', ')}]`;
    });
  } catch (error) {
    if (isTesseraeError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return type;
}

describe('shapes follow NumPy', () => {
  const types: readonly (readonly [string, Build, string])[] = [
    ['broadcasting aligns at the last axis', (x) => ops.add(x([2, 1, 3]), x([4, 1])), 'float32 [2, 4, 3]'],
    ['a size of 0 broadcasts with 1 only', (x) => ops.add(x([0, 3]), x([1, 3])), 'float32 [0, 3]'],
    ['a comparison is true or false', (x) => ops.less(x([2]), x([])), 'bool [2]'],
    ['where takes its type from the values', (x) => ops.where(x([2, 1], 'bool'), x([3], 'int32'), x([], 'int32')), 'int32 [2, 3]'],
    ['a matrix product broadcasts its leading axes', (x) => ops.matMul(x([5, 1, 2, 3]), x([4, 6, 3]), { transposeB: true }), 'float32 [5, 4, 2, 6]'],
    ['a reduction over all axes is a scalar', (x) => ops.reduceSum(x([2, 3])), 'float32 []'],
    ['a reduction may keep its axes', (x) => ops.reduceMax(x([2, 3]), { axes: [-1], keepDimensions: true }), 'float32 [2, 1]'],
    ['reshape finds the size that is −1', (x) => ops.reshape(x([2, 6]), [3, -1]), 'float32 [3, 4]'],
    ['gather puts the axes of the indices in place of the axis', (x) => ops.gather(x([2, 5, 3]), x([7, 8], 'int32'), 1), 'float32 [2, 7, 8, 3]'],
    ['a convolution of stride 2 halves', (x) => ops.conv2d(x([1, 3, 8, 6]), x([5, 3, 4, 4]), { stride: 2, padding: 1 }), 'float32 [1, 5, 4, 3]'],
    ['split gives equal parts', (x) => ops.split(x([2, 6]), 1, 3)[2] ?? x([]), 'float32 [2, 2]'],
  ];
  for (const [what, build, expected] of types) it(what, () => expect(typeOf(build)).toBe(expected));
});

describe('what does not fit is refused, naming the operation', () => {
  const refusals: readonly (readonly [OperationName, string, Build, RegExp])[] = [
    ['add', 'shapes that do not broadcast', (x) => ops.add(x([2, 3]), x([2])), /^shape-mismatch: add: \[2, 3\] and \[2\]/],
    ['add', 'two dtypes', (x) => ops.add(x([2]), x([2], 'int32')), /^dtype-mismatch: add: float32 and int32 do not mix/],
    ['divide', 'whole numbers', (x) => ops.divide(x([2], 'int32'), 2), /^dtype-mismatch: divide: takes float32, not int32/],
    ['logicalNot', 'a number', (x) => ops.logicalNot(x([2])), /^dtype-mismatch: logicalNot: takes bool, not float32/],
    ['where', 'a condition that is a number', (x) => ops.where(x([2]), 1, 2), /^dtype-mismatch: where: takes bool/],
    ['reduceSum', 'an axis out of range', (x) => ops.reduceSum(x([2, 3]), { axes: [2] }), /^invalid-argument: reduceSum: axis 2 does not exist in a tensor of rank 2/],
    ['argMax', 'an empty axis', (x) => ops.argMax(x([3, 0])), /^shape-mismatch: argMax: the axis is empty/],
    ['topValues', 'more values than there are', (x) => ops.topValues(x([2, 3]), 4), /^shape-mismatch: topValues: cannot take 4 of 3/],
    ['topValues', 'half a value', (x) => ops.topValues(x([2, 3]), 1.5), /^shape-mismatch: topValues: cannot take 1\.5 of 3/],
    ['reshape', 'another number of elements', (x) => ops.reshape(x([2, 3]), [4]), /^shape-mismatch: reshape: \[2, 3\] has 6 elements, \[4\] 4/],
    ['reshape', 'a rest that does not divide', (x) => ops.reshape(x([2, 3]), [-1, 4]), /^shape-mismatch: reshape: .*\[1\.5, 4\]/],
    ['reshape', 'negative sizes', (x) => ops.reshape(x([2, 3]), [-2, -3]), /^shape-mismatch: reshape: .*\[-2, -3\]/],
    ['transpose', 'an axis named twice', (x) => ops.transpose(x([2, 3]), [1, 1]), /^shape-mismatch: transpose: \[1, 1\] is not a permutation/],
    ['broadcastTo', 'a smaller shape', (x) => ops.broadcastTo(x([2, 3]), [1, 3]), /^shape-mismatch: broadcastTo: \[2, 3\] does not broadcast to \[1, 3\]/],
    ['slice', 'elements outside', (x) => ops.slice(x([4]), [2], [2], [2]), /^shape-mismatch: slice: 2 elements from 2 by 2 leave axis 0/],
    ['slice', 'parts that do not divide', (x) => ops.split(x([5]), 0, 2)[0] ?? x([]), /^shape-mismatch: slice: 2\.5 elements/],
    ['pad', 'a negative amount', (x) => ops.pad(x([4]), [-1], [0]), /^shape-mismatch: pad: needs an amount ≥ 0/],
    ['concat', 'another size beside the axis', (x) => ops.concat([x([2, 3]), x([3, 3])], 1), /^shape-mismatch: concat: \[2, 3\] float32 and \[3, 3\]/],
    ['reverse', 'an axis out of range', (x) => ops.reverse(x([4]), [1]), /^invalid-argument: reverse: axis 1/],
    ['matMul', 'a vector', (x) => ops.matMul(x([3]), x([3, 2])), /^shape-mismatch: matMul: \[3\] × \[3, 2\]: both need at least two axes/],
    ['matMul', 'inner sizes that differ', (x) => ops.matMul(x([2, 3]), x([2, 3])), /^shape-mismatch: matMul: .*inner sizes 3 and 2 differ/],
    ['conv2d', 'other channels', (x) => ops.conv2d(x([1, 3, 8, 8]), x([4, 2, 3, 3])), /^shape-mismatch: conv2d: \[1, 3, 8, 8\] does not fit the filter \[4, 2, 3, 3\]/],
    [
      'conv2d',
      'a filter larger than the picture',
      (x) => ops.conv2d(x([1, 1, 2, 2]), x([1, 1, 7, 7]), { padding: 0 }),
      /^shape-mismatch: conv2d: the filter .* is larger than the padded input/,
    ],
    ['gather', 'indices that are no whole numbers', (x) => ops.gather(x([3]), x([2])), /^dtype-mismatch: gather: takes int32, not float32/],
    ['scatterAdd', 'updates that do not fit', (x) => ops.scatterAdd(x([2], 'int32'), x([3, 4]), 5), /^shape-mismatch: scatterAdd: updates \[3, 4\]/],
    ['softmax', 'whole numbers', (x) => ops.softmax(x([2], 'int32')), /^dtype-mismatch: softmax: takes float32, not int32/],
    ['softmax', 'a scalar', (x) => ops.softmax(x([])), /^shape-mismatch: softmax: a scalar has no last axis/],
    ['relu', 'truth values', (x) => ops.relu(x([2], 'bool')), /^dtype-mismatch: relu: takes float32, not bool/],
    ['layerNorm', 'a gain of another width', (x) => ops.layerNorm(x([2, 5]), x([4]), x([5])), /^shape-mismatch: layerNorm: the gain \[4\] is not \[5\]/],
    ['layerNorm', 'a bias of another width', (x) => ops.layerNorm(x([2, 5]), x([5]), x([1, 5])), /^shape-mismatch: layerNorm: the bias \[1, 5\] is not \[5\]/],
    ['rmsNorm', 'a gain of another width', (x) => ops.rmsNorm(x([2, 5]), x([2])), /^shape-mismatch: rmsNorm: the gain \[2\] is not \[5\]/],
    [
      'groupNorm',
      'channels that do not divide',
      (x) => ops.groupNorm(x([1, 3, 2, 2]), x([3]), x([3]), 2),
      /^shape-mismatch: groupNorm: \[1, 3, 2, 2\] does not split into 2 groups/,
    ],
    ['groupNorm', 'a gain of another width', (x) => ops.groupNorm(x([1, 4, 2, 2]), x([2]), x([4]), 2), /^shape-mismatch: groupNorm: the gain \[2\] is not \[4\]/],
    ['attention', 'keys of another size', (x) => ops.attention(x([1, 2, 3, 4]), x([1, 2, 3, 5]), x([1, 2, 3, 4])), /^shape-mismatch: attention: queries \[1, 2, 3, 4\], keys/],
    [
      'attention',
      'whole numbers',
      (x) => ops.attention(x([1, 2, 3, 4], 'int32'), x([1, 2, 3, 4], 'int32'), x([1, 2, 3, 4], 'int32')),
      /^dtype-mismatch: attention: takes float32, not int32/,
    ],
    [
      'attention',
      'a mask of another shape',
      (x) => ops.attention(x([1, 2, 3, 4]), x([1, 2, 3, 4]), x([1, 2, 3, 4]), { mask: x([3, 2], 'bool') }),
      /^shape-mismatch: attention: .*\[3, 2\]/,
    ],
    ['attention', 'a mask of numbers', (x) => ops.attention(x([1, 2, 3, 4]), x([1, 2, 3, 4]), x([1, 2, 3, 4]), { mask: x([3, 3]) }), /^dtype-mismatch: attention: takes bool/],
    ['crossEntropy', 'labels that do not fit', (x) => ops.crossEntropy(x([2, 3]), x([3], 'int32')), /^shape-mismatch: crossEntropy: labels \[3\]/],
    ['oneHot', 'labels that are no whole numbers', (x) => ops.oneHot(x([2]), 3), /^dtype-mismatch: oneHot: takes int32/],
    [
      'replaceSlice',
      'a part that is too long',
      (x) => ops.replaceSlice(x([2, 3]), x([2, 4]), x([], 'int32'), 1),
      /^shape-mismatch: replaceSlice: float32 \[2, 4\] at \[\] is no part/,
    ],
    ['replaceSlice', 'several starts', (x) => ops.replaceSlice(x([2, 3]), x([2, 1]), x([2], 'int32'), 1), /^shape-mismatch: replaceSlice: float32 \[2, 1\] at \[2\]/],
    ['replaceSlice', 'a part of another kind', (x) => ops.replaceSlice(x([2, 3]), x([2, 1], 'int32'), x([], 'int32'), 1), /^shape-mismatch: replaceSlice: int32/],
    ['maxPool2d', 'a size that does not divide', (x) => ops.maxPool2d(x([1, 1, 3, 4])), /^shape-mismatch: maxPool2d: \[1, 1, 3, 4\] does not divide into 2×2/],
    ['sumPool2d', 'a size that does not divide', (x) => ops.sumPool2d(x([1, 1, 3, 4])), /^shape-mismatch: sumPool2d: \[1, 1, 3, 4\] does not divide/],
    ['upsampleNearest2d', 'no picture', (x) => ops.upsampleNearest2d(x([4, 4])), /^shape-mismatch: upsampleNearest2d: \[4, 4\]/],
  ];
  for (const [operation, what, build, message] of refusals) it(`${operation}: ${what}`, () => expect(typeOf(build)).toMatch(message));

  it('with a remedy', () => {
    for (const [, , build] of refusals) expect(typeOf(build)).toMatch(/\. \S.*\.$/);
  });
});
