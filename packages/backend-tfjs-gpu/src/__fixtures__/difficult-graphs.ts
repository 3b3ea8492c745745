import {
  add,
  argMax,
  type Backend,
  boolArray,
  broadcastTo,
  cast,
  concat,
  conv2d,
  cos,
  cumulativeSum,
  exp,
  float32Array,
  gather,
  type HostArray,
  int32Array,
  keyFromSeed,
  less,
  logicalAnd,
  matMul,
  multiply,
  negate,
  normalArray,
  pad,
  reduceMax,
  reduceSum,
  reverse,
  type Shape,
  sin,
  sizeOf,
  slice,
  softmax,
  subtract,
  type Tensor,
  topValues,
  trace,
  transpose,
  where,
} from '@tesserae/core';
import { arrayError } from '@tesserae/core/conformance';
import { evaluateGraph } from '@tesserae/core/reference';

/** What devices of TensorFlow.js do not do, or do wrongly, when they are asked directly; beyond the conformance suite. */
export interface DifficultGraph {
  readonly name: string;
  readonly inputs: readonly HostArray[];
  readonly build: (inputs: readonly Tensor[]) => Tensor;
}

function normals(shape: Shape, seed = 1): HostArray {
  return float32Array(shape, normalArray(keyFromSeed(seed), sizeOf(shape)));
}

function numbered(shape: Shape, from = 0): HostArray {
  return int32Array(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, index) => from + index),
  );
}

/** No two neighbouring axes alike: nothing can be merged. */
const eight = [2, 3, 2, 2, 3, 2, 2, 2] as const;
const everySecond = [0, 2, 4, 6] as const;
const halved = eight.map((size, axis) => (axis % 2 === 0 ? 1 : size));
/** Whole numbers that float32 cannot hold. */
const large = 2 ** 24 + 1;

function first(inputs: readonly Tensor[], index = 0): Tensor {
  const found = inputs[index];
  if (found === undefined) throw new RangeError(`the graph has no input ${index}`);
  return found;
}

const one = (name: string, x: HostArray, build: (x: Tensor) => Tensor): DifficultGraph => ({ name, inputs: [x], build: (inputs) => build(first(inputs)) });
const two = (name: string, a: HostArray, b: HostArray, build: (a: Tensor, b: Tensor) => Tensor): DifficultGraph => ({
  name,
  inputs: [a, b],
  build: (inputs) => build(first(inputs), first(inputs, 1)),
});

export const difficultGraphs: readonly DifficultGraph[] = [
  one('eight axes: negate', normals(eight), negate),
  one('eight axes: sum of every second', normals(eight), (x) => reduceSum(x, { axes: everySecond })),
  one('eight axes: largest of every second, kept', normals(eight), (x) => reduceMax(x, { axes: everySecond, keepDimensions: true })),
  one('eight axes: reversed order', normals(eight), (x) => transpose(x, [7, 6, 5, 4, 3, 2, 1, 0])),
  one('eight axes: reversed order of truth values', boolArray(eight, Array.from({ length: sizeOf(eight) }, (_, index) => index % 3 === 0)), (x) =>
    transpose(x, [7, 6, 5, 4, 3, 2, 1, 0]),
  ),
  one('eight axes: every second repeated', normals(halved), (x) => broadcastTo(x, eight)),
  one('eight axes: every second reversed', normals(eight), (x) => reverse(x, everySecond)),
  one('eight axes: padded at every second', normals(eight), (x) => pad(x, eight.map((_, axis) => (axis % 2 === 0 ? 1 : 0)), eight.map(() => 0), 3)),
  one('eight axes: cut at every second', normals(eight), (x) => slice(x, eight.map((_, axis) => (axis % 2 === 0 ? 1 : 0)), halved.map((size, axis) => (axis % 2 === 0 ? 1 : size)))),
  one('eight axes: softmax', normals(eight), softmax),
  one('eight axes: first of the largest', normals(eight), (x) => argMax(x, 4)),
  one('eight axes: running sum', normals(eight), (x) => cumulativeSum(x, 3)),
  one('eight axes: largest two', normals([2, 2, 2, 2, 2, 2, 2, 5]), (x) => topValues(x, 2)),
  two('eight axes: sum that broadcasts both ways', normals(halved), normals(eight.map((size, axis) => (axis % 2 === 0 ? size : 1)), 2), add),
  two('eight axes: comparison with one axis', normals(eight), normals([2], 2), less),
  two('eight axes: joined', normals(eight), normals(eight, 2), (a, b) => concat([a, b], 3)),
  two('eight axes: rows by index', normals(eight), int32Array([2, 2], [1, 0, 0, 1]), (table, indices) => gather(table, indices, 5)),
  two('eight axes: choice', normals(eight), normals(halved, 2), (a, b) => where(less(a, b), a, b)),
  two('eight axes: conjunction that broadcasts', normals(eight), normals(halved, 2), (a, b) => logicalAnd(less(a, 0), less(b, 0))),
  two('eight axes: matrix products', normals([1, 2, 1, 3, 1, 2, 2, 3]), normals([2, 1, 2, 1, 2, 1, 3, 2], 2), matMul),
  two('matrix product with one matrix first', normals([1, 2, 3]), normals([4, 3, 2], 2), matMul),
  two('matrix product with one transposed matrix first', normals([3, 2]), normals([4, 3, 2], 2), (a, b) => matMul(a, b, { transposeA: true })),
  two('matrix product with one matrix second, first transposed', normals([4, 3, 2]), normals([3, 5], 2), (a, b) => matMul(a, b, { transposeA: true })),
  ...[false, true].flatMap((transposeA) =>
    [false, true].map((transposeB) =>
      two(`large matrix product${transposeA ? ', first transposed' : ''}${transposeB ? ', second transposed' : ''}`, normals([24, 24]), normals([24, 24], 2), (a, b) =>
        matMul(a, b, { transposeA, transposeB }),
      ),
    ),
  ),
  two('convolution with stride and dilation', normals([2, 2, 9, 8]), normals([3, 2, 3, 3], 2), (x, filter) => conv2d(x, filter, { stride: 2, dilation: 2 })),
  one('strided slice of whole numbers beyond float32', numbered([6, 5], large), (x) => slice(x, [1, 0], [3, 2], [2, 3])),
  one('slice of whole numbers beyond float32', numbered([6, 5], large), (x) => slice(x, [1, 1], [3, 2])),
  one('transposed whole numbers beyond float32', numbered([3, 4, 2], large), (x) => transpose(x, [2, 0, 1])),
  one('padded whole numbers beyond float32', numbered([3, 4], large), (x) => pad(x, [1, 0], [0, 1], -1)),
  one('reversed whole numbers beyond float32', numbered([3, 4], large), (x) => reverse(x, [0, 1])),
  one('repeated whole numbers beyond float32', numbered([3, 1], large), (x) => broadcastTo(x, [2, 3, 4])),
  one('sum of whole numbers beyond float32', numbered([3, 4], large), (x) => reduceSum(x, { axes: [1] })),
  one('largest of whole numbers beyond float32', numbered([3, 4], large), (x) => reduceMax(x, { axes: [0] })),
  two('sum and difference of whole numbers beyond float32', numbered([6], large), numbered([6], 3), (a, b) => subtract(add(a, b), multiply(b, 2))),
  two('comparison of whole numbers beyond float32', numbered([6], large), numbered([6], large + 1), less),
  two('rows of whole numbers beyond float32', numbered([4, 3], large), int32Array([2], [3, 1]), (table, indices) => gather(table, indices)),
  two('choice of whole numbers beyond float32', numbered([6], large), numbered([6], -3), (a, b) => where(less(b, 0), a, b)),
  one('whole numbers from floats on both sides of 0', float32Array([6], [-2.9, -0.5, 0, 0.5, 2.9, 1e6]), (x) => cast(x, 'int32')),
  one('sine far from 0', float32Array([7], [-100, -31.4, -1.6, 0, 3.14159, 50, 1000]), sin),
  one('cosine far from 0', float32Array([7], [-100, -31.4, -1.6, 0, 3.14159, 50, 1000]), cos),
  one('softmax of masked scores', float32Array([2, 3], [-1e9, 0, 1, -1e9, -1e9, 2]), softmax),
  one('exponential that underflows', float32Array([3], [-200, -1e9, 0]), exp),
];

/** Largest difference from the reference backend, relative to 1 + |expected|, or the message of what went wrong. */
export async function differenceFromReference(backend: Backend, difficult: DifficultGraph): Promise<number | string> {
  const graph = trace(difficult.name, (scope) => {
    const inputs = difficult.inputs.map(({ shape, dtype }, index) => scope.input(`x${index}`, shape, dtype));
    scope.output('y', difficult.build(inputs));
  });
  const inputs = Object.fromEntries(difficult.inputs.map((array, index) => [`x${index}`, array]));
  const expected = evaluateGraph(graph, { inputs }).outputs.y;
  if (expected === undefined) throw new RangeError('the reference gives no result');
  try {
    const program = await backend.compile(graph);
    try {
      return arrayError((await program.run(inputs)).y, expected);
    } finally {
      program.dispose();
    }
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}
