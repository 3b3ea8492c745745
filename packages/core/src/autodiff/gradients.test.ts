import { describe, expect, it } from 'vitest';
import { evaluatePrimitives } from '../backend/reference/evaluate.js';
import { evaluateGraph } from '../backend/reference/index.js';
import { apply, type Graph, loop, type OperationName, type Tensor, type TraceScope, trace } from '../graph/index.js';
import { typeRules } from '../graph/infer-type.js';
import * as ops from '../ops/index.js';
import { prepareGraph } from '../passes/index.js';
import { deriveKey, keyFromSeed, normalArray } from '../random/index.js';
import { float32Array, int32Array, type Shape, sizeOf } from '../tensor/index.js';
import { gradients } from './index.js';

interface Case {
  readonly name: string;
  readonly shapes: readonly Shape[];
  readonly compute: (inputs: readonly Tensor[], scope: TraceScope) => Tensor;
  /** Moves the random inputs away from kinks and out of forbidden regions. */
  readonly prepare?: (value: number, input: number) => number;
}

const away = (value: number): number => value + 0.2 * Math.sign(value);
const positive = (value: number): number => Math.abs(value) + 0.5;
const pick = (inputs: readonly Tensor[], index: number): Tensor => {
  const found = inputs[index];
  if (found === undefined) throw new RangeError(`no input ${index}`);
  return found;
};
const unary = (name: string, compute: (x: Tensor) => Tensor, prepare?: Case['prepare']): Case => ({
  name,
  shapes: [[2, 3]],
  compute: (inputs) => compute(pick(inputs, 0)),
  ...(prepare ? { prepare } : {}),
});
const binary = (
  name: string,
  compute: (a: Tensor, b: Tensor) => Tensor,
  shapes: readonly Shape[] = [
    [2, 1, 3],
    [4, 1],
  ],
  prepare?: Case['prepare'],
): Case => ({
  name,
  shapes,
  compute: (inputs) => compute(pick(inputs, 0), pick(inputs, 1)),
  ...(prepare ? { prepare } : {}),
});

const cases: readonly Case[] = [
  ...(['negate', 'exp', 'sin', 'cos', 'tanh', 'erf', 'sigmoid', 'softmax', 'logSoftmax', 'silu', 'square'] as const).map((name) => unary(name, ops[name])),
  unary('normalisedExp, where the level of a row cancels out', (x) => {
    const weights = ops.normalisedExp(x);
    return ops.divide(weights, ops.sqrt(ops.reduceSum(ops.square(weights), { axes: [-1], keepDimensions: true })));
  }),
  ...(['absolute', 'relu'] as const).map((name) => unary(name, ops[name], away)),
  ...(['log', 'sqrt'] as const).map((name) => unary(name, ops[name], positive)),
  ...(['exact', 'tanh', 'quick'] as const).map((approximation) => unary(`gelu ${approximation}`, (x) => ops.gelu(x, approximation))),
  ...(['add', 'subtract', 'multiply', 'maximum', 'minimum'] as const).map((name) => binary(`${name} with broadcast`, ops[name])),
  binary('divide', ops.divide, [[2, 3], [3]], (value, input) => (input === 1 ? positive(value) : value)),
  binary('power', ops.power, [[2, 3], [3]], (value, input) => (input === 0 ? positive(value) : value)),
  binary('where', (a, b) => ops.where(ops.less(0, a), ops.multiply(a, b), b), [[2, 3], [3]], away),
  unary('reduceSum over the first axis', (x) => ops.reduceSum(x, { axes: [0] })),
  unary('reduceMax', (x) => ops.reduceMax(x, { axes: [1], keepDimensions: true })),
  unary('reduceMean and variance', (x) => ops.variance(x, { axes: [-1] })),
  unary('cumulativeSum', (x) => ops.cumulativeSum(x, 1)),
  unary('topValues', (x) => ops.topValues(x, 2)),
  unary('reshape, transpose, broadcastTo', (x) => ops.broadcastTo(ops.transpose(ops.reshape(x, [3, 1, 2]), [2, 0, 1]), [2, 3, 4])),
  { name: 'strided slice', shapes: [[5, 4]], compute: (inputs) => ops.slice(pick(inputs, 0), [1, 0], [2, 2], [2, 3]) },
  unary('pad and reverse', (x) => ops.reverse(ops.pad(x, [1, 0], [0, 2], 3), [0, 1])),
  {
    name: 'slices side by side, with a gap, overlapping, and of another axis',
    shapes: [[3, 7]],
    compute: ([x]) => {
      if (x === undefined) throw new RangeError('no input');
      const columns = ([start, size]: readonly [number, number], scale: number): Tensor => ops.multiply(ops.reduceSum(ops.sin(ops.sliceAxis(x, 1, start, size))), scale);
      const rows = ops.reduceSum(ops.cos(ops.sliceAxis(x, 0, 1, 2)));
      return [columns([0, 2], 1), columns([2, 2], 2), columns([5, 2], 3), columns([3, 2], 4), columns([4, 1], 5)].reduce(ops.add, rows);
    },
  },
  binary('concat', (a, b) => ops.concat([a, b, a], 1), [
    [2, 2],
    [2, 3],
  ]),
  ...[0, 1, 2, 3].map((flags): Case => {
    const [transposeA, transposeB] = [(flags & 1) === 1, (flags & 2) === 2];
    return binary(`matMul ${transposeA ? 'Aᵀ' : 'A'}·${transposeB ? 'Bᵀ' : 'B'}, batch broadcast`, (a, b) => ops.matMul(a, b, { transposeA, transposeB }), [
      transposeA ? [2, 1, 4, 3] : [2, 1, 3, 4],
      transposeB ? [3, 2, 4] : [3, 4, 2],
    ]);
  }),
  binary('matMul with one shared matrix', (a, b) => ops.matMul(a, b, { transposeB: true }), [
    [2, 3, 4],
    [5, 4],
  ]),
  binary('conv2d same', (x, filter) => ops.conv2d(x, filter), [
    [2, 2, 5, 4],
    [3, 2, 3, 3],
  ]),
  binary('conv2d stride 2, even filter', (x, filter) => ops.conv2d(x, filter, { stride: 2, padding: 1 }), [
    [1, 2, 6, 7],
    [2, 2, 4, 4],
  ]),
  binary(
    'conv2d dilated, asymmetric padding',
    (x, filter) =>
      ops.conv2d(x, filter, {
        dilation: 2,
        padding: [
          [0, 3],
          [1, 2],
        ],
      }),
    [
      [1, 1, 6, 5],
      [2, 1, 2, 3],
    ],
  ),
  binary('conv2d whose padding exceeds the filter', (x, filter) => ops.conv2d(x, filter, { padding: 2 }), [
    [1, 1, 3, 3],
    [1, 1, 1, 2],
  ]),
  binary(
    'conv2dInputGradient, stride 2',
    (gradient, filter) => apply('conv2dInputGradient', [gradient, filter], { ...ops.conv2dAttributes(4, 4, { stride: 2, padding: 1 }), inputShape: [1, 2, 4, 6] }),
    [
      [1, 2, 2, 3],
      [2, 2, 4, 4],
    ],
  ),
  binary(
    'conv2dFilterGradient, stride 2',
    (x, gradient) => apply('conv2dFilterGradient', [x, gradient], { ...ops.conv2dAttributes(4, 4, { stride: 2, padding: 1 }), filterShape: [2, 2, 4, 4] }),
    [
      [1, 2, 4, 6],
      [1, 2, 2, 3],
    ],
  ),
  { name: 'sumPool2d', shapes: [[1, 2, 4, 4]], compute: (inputs) => ops.sumPool2d(pick(inputs, 0)) },
  { name: 'maxPool2d and upsampleNearest2d', shapes: [[1, 2, 4, 4]], compute: (inputs) => ops.upsampleNearest2d(ops.maxPool2d(pick(inputs, 0)), 3) },
  { name: 'gather rows, repeated', shapes: [[4, 3]], compute: (inputs, scope) => ops.gather(pick(inputs, 0), scope.literal(int32Array([2, 2], [1, 3, 1, 0]))) },
  { name: 'gather along axis 1', shapes: [[2, 4, 3]], compute: (inputs, scope) => ops.gather(pick(inputs, 0), scope.literal(int32Array([3], [1, 3, 1])), 1) },
  { name: 'scatterAdd', shapes: [[3, 2]], compute: (inputs, scope) => ops.scatterAdd(scope.literal(int32Array([3], [1, 4, 1])), pick(inputs, 0), 5) },
  {
    name: 'replaceSlice',
    shapes: [
      [2, 4, 3],
      [2, 2, 3],
    ],
    compute: (inputs, scope) => ops.replaceSlice(pick(inputs, 0), pick(inputs, 1), scope.literal(int32Array([], [1])), 1),
  },
  { name: 'layerNorm', shapes: [[2, 4], [4], [4]], compute: (inputs) => ops.layerNorm(pick(inputs, 0), pick(inputs, 1), pick(inputs, 2)) },
  { name: 'rmsNorm', shapes: [[2, 4], [4]], compute: (inputs) => ops.rmsNorm(pick(inputs, 0), pick(inputs, 1)) },
  { name: 'groupNorm', shapes: [[2, 4, 2, 2], [4], [4]], compute: (inputs) => ops.groupNorm(pick(inputs, 0), pick(inputs, 1), pick(inputs, 2), 2) },
  {
    name: 'attention with mask',
    shapes: [
      [1, 2, 3, 2],
      [1, 2, 3, 2],
      [1, 2, 3, 2],
    ],
    compute: (inputs, scope) => {
      const mask = ops.lessOrEqual(scope.iota([3, 3], 1), scope.iota([3, 3], 0));
      return ops.attention(pick(inputs, 0), pick(inputs, 1), pick(inputs, 2), { mask });
    },
  },
  {
    name: 'crossEntropyGradient',
    shapes: [[3, 4], [3]],
    compute: (inputs, scope) => apply('crossEntropyGradient', [pick(inputs, 0), scope.literal(int32Array([3], [0, 3, 1])), pick(inputs, 1)], {}),
  },
  { name: 'crossEntropy', shapes: [[3, 4]], compute: (inputs, scope) => ops.crossEntropy(pick(inputs, 0), scope.literal(int32Array([3], [0, 3, 1]))) },
  {
    name: 'loop: carried, captured and stacked values',
    shapes: [
      [2, 2],
      [2, 2],
    ],
    compute: (inputs, scope) => {
      const weight = pick(inputs, 1);
      const results = loop(scope, 3, [pick(inputs, 0)], (_, [state = weight]) => {
        const next = ops.tanh(ops.matMul(state, weight));
        return { carried: [next], stacked: [ops.multiply(next, weight)] };
      });
      return ops.add(results.carried[0] ?? weight, ops.reduceSum(results.stacked[0] ?? weight, { axes: [0] }));
    },
  },
];

describe('gradients agree with central differences', () => {
  for (const { name, shapes, compute, prepare = (value: number) => value } of cases) {
    it(name, () => {
      const key = deriveKey(keyFromSeed(7), name);
      // Weighting the results makes every element's gradient differ.
      const build = (differentiate: boolean): Graph =>
        trace(name, (scope) => {
          const inputs = shapes.map((shape, index) => scope.input(`x${index}`, shape));
          const value = compute(inputs, scope);
          const weights = scope.literal(float32Array(value.shape, normalArray(deriveKey(key, 'weights'), sizeOf(value.shape))));
          const loss = ops.reduceSum(ops.multiply(value, weights));
          scope.output('loss', loss);
          if (differentiate) gradients(loss, inputs).forEach((gradient, index) => scope.output(`gradient${index}`, gradient));
        });
      const values = shapes.map((shape, input) => normalArray(deriveKey(key, input), sizeOf(shape)).map((value) => prepare(value, input)));
      const evaluate = (graph: Graph, arrays: readonly Float32Array[]) =>
        evaluatePrimitives(graph, { inputs: Object.fromEntries(arrays.map((data, index) => [`x${index}`, float32Array(shapes[index] ?? [], data)])) }).outputs;
      const primitives = { composites: new Set<never>() };
      const results = evaluate(prepareGraph(build(true), primitives), values);
      const lossOnly = prepareGraph(build(false), primitives);
      values.forEach((data, input) => {
        const analytic = results[`gradient${input}`]?.data ?? [];
        data.forEach((value, element) => {
          const step = 1e-2;
          const lossAt = (moved: number): number => {
            const copy = values.map((array) => Float32Array.from(array));
            const target = copy[input];
            if (target !== undefined) target[element] = moved;
            return evaluate(lossOnly, copy).loss?.data[0] ?? Number.NaN;
          };
          const numeric = (8 * (lossAt(value + step) - lossAt(value - step)) - (lossAt(value + 2 * step) - lossAt(value - 2 * step))) / (12 * step);
          expect(Math.abs(numeric - (analytic[element] ?? Number.NaN)), `input ${input}, element ${element}: ${analytic[element]} against ${numeric}`).toBeLessThan(
            2e-3 * (1 + Math.abs(numeric)),
          );
        });
      });
    });
  }

  it('for every operation through which a gradient flows', () => {
    const met = new Set<OperationName>();
    for (const { name, shapes, compute } of cases) {
      const graph = trace(name, (scope) => {
        compute(
          shapes.map((shape, index) => scope.input(`x${index}`, shape)),
          scope,
        );
      });
      for (const { operation } of graph.nodes) met.add(operation);
    }
    const leaves: readonly OperationName[] = ['input', 'state', 'constant', 'literal', 'iota'];
    const flat: readonly OperationName[] = ['sign', 'floor', 'logicalNot', 'stopGradient', 'cast', 'equal', 'less', 'lessOrEqual', 'logicalAnd', 'logicalOr', 'argMax', 'oneHot'];
    const exceptions = new Set([...leaves, ...flat]);
    expect((Object.keys(typeRules) as OperationName[]).filter((operation) => !exceptions.has(operation) && !met.has(operation))).toEqual([]);
  });

  it('and is zero through the others', () => {
    const flat: readonly ((x: Tensor) => Tensor)[] = [
      (x) => apply('sign', [x], {}),
      ops.floor,
      ops.stopGradient,
      (x) => ops.cast(ops.cast(x, 'int32'), 'float32'),
      (x) => ops.cast(ops.less(x, 0), 'float32'),
      (x) => ops.oneHot(ops.argMax(x), 3),
    ];
    const graph = trace('flat', (scope) => {
      const x = scope.input('x', [2, 3]);
      flat.forEach((compute, index) => {
        for (const gradient of gradients(ops.reduceSum(compute(x)), [x])) scope.output(`${index}`, gradient);
      });
    });
    const { outputs } = evaluateGraph(graph, { inputs: { x: float32Array([2, 3], [0.5, -1.5, 2, 0, 3.25, -7]) } });
    expect(Object.values(outputs)).toEqual(flat.map(() => float32Array([2, 3], [0, 0, 0, 0, 0, 0])));
  });

  it('puts the gradient of a value that was cut up together, rather than to add parts among zeros', () => {
    const graph = prepareGraph(
      trace('cut', (scope) => {
        const x = scope.input('x', [2, 6]);
        const [a = x, b = x, c = x] = ops.split(x, 1, 3);
        const loss = ops.reduceSum(ops.multiply(ops.multiply(a, b), ops.sin(c)));
        for (const gradient of gradients(loss, [x])) scope.output('gradient', gradient);
      }),
      { composites: new Set() },
    );
    const count = (operation: OperationName): number => graph.nodes.filter((node) => node.operation === operation).length;
    expect([count('concat'), count('pad'), count('add')]).toEqual([1, 0, 0]);
  });

  it('refuses a loss that is no scalar, saying what to do', () => {
    expect(() => trace('bad', (scope) => void gradients(scope.input('x', [2]), []))).toThrow(/not a float32 scalar.*reduceMean/);
  });

  it('gives zero where the loss does not depend on the tensor', () => {
    const graph = trace('independent', (scope) => {
      const [x, y] = [scope.input('x', [2]), scope.input('y', [2])];
      for (const gradient of gradients(ops.reduceSum(x), [y])) scope.output('gradient', gradient);
      scope.output('x', x);
    });
    const pair = float32Array([2], [1, 2]);
    expect(Array.from(evaluateGraph(graph, { inputs: { x: pair, y: pair } }).outputs.gradient?.data ?? [])).toEqual([0, 0]);
  });
});
