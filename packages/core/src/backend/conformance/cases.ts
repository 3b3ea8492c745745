import { gradients } from '../../autodiff/index.js';
import type { Graph } from '../../graph/index.js';
import { apply, loop, type OperationName, type Tensor, type TraceScope, trace } from '../../graph/index.js';
import * as ops from '../../ops/index.js';
import { deriveKey, keyFromSeed, normalArray, uniformArray } from '../../random/index.js';
import { boolArray, type DType, float32Array, type HostArray, int32Array, type Shape, sizeOf } from '../../tensor/index.js';

/** A graph with inputs; what it must give comes from the reference backend. */
export interface ConformanceCase {
  /** `operation: variant`, unique. */
  readonly name: string;
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** State before the run; compared after it too. */
  readonly state?: ReadonlyMap<string, HostArray>;
  /** Largest difference allowed, relative to 1 + |expected|. Whole numbers and truth values must be equal. */
  readonly tolerance: number;
}

interface InputSpec {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** How random numbers become this input's values. Default: normal. int32: 0…4; bool: coin tosses. */
  readonly from?: (normal: number) => number;
}

type Build = (inputs: readonly Tensor[], scope: TraceScope) => Tensor;

const positive = (value: number): number => Math.abs(value) + 0.25;
/** Values with many equals among them: ties must be broken alike. */
const coarse = (value: number): number => Math.round(value);

function valuesOf(spec: InputSpec, name: string, index: number): HostArray {
  const { shape, dtype = 'float32', from } = spec;
  const key = deriveKey(keyFromSeed(2021), name, index);
  const size = sizeOf(shape);
  switch (dtype) {
    case 'float32':
      return float32Array(shape, from === undefined ? normalArray(key, size) : normalArray(key, size).map(from));
    case 'int32':
      return int32Array(shape, Int32Array.from(uniformArray(key, size), (value) => Math.floor(value * 5)).map(from ?? ((value) => value)));
    case 'bool':
      return boolArray(
        shape,
        Uint8Array.from(uniformArray(key, size), (value) => (value < 0.5 ? 1 : 0)),
      );
    default:
      return dtype satisfies never;
  }
}

function at(inputs: readonly Tensor[], index: number): Tensor {
  const found = inputs[index];
  if (found === undefined) throw new RangeError(`the case has no input ${index}`);
  return found;
}

const tolerance = 2e-5;

function forward(name: string, specs: readonly InputSpec[], build: Build): ConformanceCase {
  const graph = trace(name, (scope) => {
    const inputs = specs.map(({ shape, dtype }, index) => scope.input(`x${index}`, shape, dtype));
    scope.output('y', build(inputs, scope));
  });
  return { name, graph, inputs: Object.fromEntries(specs.map((spec, index) => [`x${index}`, valuesOf(spec, name, index)])), tolerance };
}

/** The same with the gradients of a weighted sum of the result with respect to every float input. */
function withGradients(name: string, specs: readonly InputSpec[], build: Build): ConformanceCase[] {
  const graph = trace(`${name}, gradient`, (scope) => {
    const inputs = specs.map(({ shape, dtype }, index) => scope.input(`x${index}`, shape, dtype));
    const value = build(inputs, scope);
    const weights = scope.input('weights', value.shape);
    const floats = inputs.filter((input) => input.dtype === 'float32');
    gradients(ops.reduceSum(ops.multiply(value, weights)), floats).forEach((gradient, index) => scope.output(`d${index}`, gradient));
  });
  const plain = forward(name, specs, build);
  const shape = plain.graph.nodes[plain.graph.outputs[0]?.node ?? 0]?.shape ?? [];
  return [plain, { name: graph.name, graph, inputs: { ...plain.inputs, weights: valuesOf({ shape }, name, 99) }, tolerance: 1e-4 }];
}

const shapes: readonly Shape[] = [[2, 3], [], [1, 4, 1], [0, 3]];

type FloatUnary =
  | 'negate'
  | 'absolute'
  | 'sign'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'sin'
  | 'cos'
  | 'tanh'
  | 'erf'
  | 'sigmoid'
  | 'floor'
  | 'stopGradient'
  | 'softmax'
  | 'logSoftmax'
  | 'relu'
  | 'silu';

function unaryCases(): ConformanceCase[] {
  const domain: Partial<Record<FloatUnary, (value: number) => number>> = { log: positive, sqrt: positive };
  const names: readonly FloatUnary[] = [
    'negate',
    'absolute',
    'sign',
    'exp',
    'log',
    'sqrt',
    'sin',
    'cos',
    'tanh',
    'erf',
    'sigmoid',
    'floor',
    'stopGradient',
    'softmax',
    'logSoftmax',
    'relu',
    'silu',
  ];
  return names.flatMap((name) =>
    shapes
      .filter((shape) => shape.length > 0 || (name !== 'softmax' && name !== 'logSoftmax'))
      .flatMap((shape) => {
        const from = domain[name];
        return withGradients(`${name}: [${shape}]`, [{ shape, ...(from === undefined ? {} : { from }) }], (inputs) => apply(name, [at(inputs, 0)], {}));
      }),
  );
}

const broadcasts: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 2]],
  [
    [0, 3],
    [1, 3],
  ],
  [[1], [1]],
];

function binaryCases(): ConformanceCase[] {
  const arithmetic = (['add', 'subtract', 'multiply', 'divide', 'maximum', 'minimum', 'power'] as const).flatMap((name) =>
    broadcasts.flatMap(([a, b]) => {
      const specs: InputSpec[] = [
        { shape: a, ...(name === 'power' ? { from: positive } : {}) },
        { shape: b, ...(name === 'divide' ? { from: positive } : {}) },
      ];
      return withGradients(`${name}: [${a}] with [${b}]`, specs, (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}));
    }),
  );
  const integers = (['add', 'subtract', 'multiply', 'maximum', 'minimum'] as const).map((name) =>
    forward(
      `${name}: int32`,
      [
        { shape: [2, 3], dtype: 'int32' },
        { shape: [3], dtype: 'int32' },
      ],
      (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
    ),
  );
  const comparisons = (['equal', 'less', 'lessOrEqual'] as const).flatMap((name) => [
    ...broadcasts.map(([a, b]) =>
      forward(
        `${name}: [${a}] with [${b}]`,
        [
          { shape: a, from: coarse },
          { shape: b, from: coarse },
        ],
        (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
      ),
    ),
    forward(
      `${name}: int32`,
      [
        { shape: [2, 3], dtype: 'int32' },
        { shape: [3], dtype: 'int32' },
      ],
      (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
    ),
  ]);
  const logic = (['logicalAnd', 'logicalOr'] as const).map((name) =>
    forward(
      `${name}: broadcast`,
      [
        { shape: [2, 3], dtype: 'bool' },
        { shape: [3], dtype: 'bool' },
      ],
      (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
    ),
  );
  return [
    ...arithmetic,
    ...integers,
    ...comparisons,
    ...logic,
    forward('logicalNot: [2, 3]', [{ shape: [2, 3], dtype: 'bool' }], (inputs) => ops.logicalNot(at(inputs, 0))),
    forward('negate: int32', [{ shape: [4], dtype: 'int32' }], (inputs) => ops.negate(at(inputs, 0))),
    forward('absolute: int32', [{ shape: [4], dtype: 'int32', from: (value) => value - 2 }], (inputs) => ops.absolute(at(inputs, 0))),
    ...withGradients('where: broadcast', [{ shape: [2, 1], dtype: 'bool' }, { shape: [2, 3] }, { shape: [3] }], (inputs) => ops.where(at(inputs, 0), at(inputs, 1), at(inputs, 2))),
    forward(
      'where: int32',
      [
        { shape: [4], dtype: 'bool' },
        { shape: [4], dtype: 'int32' },
        { shape: [], dtype: 'int32' },
      ],
      (inputs) => ops.where(at(inputs, 0), at(inputs, 1), at(inputs, 2)),
    ),
    forward(
      'where: bool',
      [
        { shape: [4], dtype: 'bool' },
        { shape: [4], dtype: 'bool' },
        { shape: [4], dtype: 'bool' },
      ],
      (inputs) => ops.where(at(inputs, 0), at(inputs, 1), at(inputs, 2)),
    ),
    forward('cast: float32 to int32 truncates', [{ shape: [8], from: (value) => value * 3 }], (inputs) => ops.cast(at(inputs, 0), 'int32')),
    forward('cast: int32 to float32', [{ shape: [4], dtype: 'int32' }], (inputs) => ops.cast(at(inputs, 0), 'float32')),
    forward('cast: bool to float32', [{ shape: [4], dtype: 'bool' }], (inputs) => ops.cast(at(inputs, 0), 'float32')),
    forward('cast: float32 to bool', [{ shape: [6], from: coarse }], (inputs) => ops.cast(at(inputs, 0), 'bool')),
    forward('cast: bool to int32', [{ shape: [4], dtype: 'bool' }], (inputs) => ops.cast(at(inputs, 0), 'int32')),
  ];
}

function reductionCases(): ConformanceCase[] {
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

function shapeCases(): ConformanceCase[] {
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

function linearCases(): ConformanceCase[] {
  const products = [0, 1, 2, 3].flatMap((flags) => {
    const [transposeA, transposeB] = [(flags & 1) === 1, (flags & 2) === 2];
    const a = transposeA ? [4, 3] : [3, 4];
    const b = transposeB ? [2, 4] : [4, 2];
    const options = { transposeA, transposeB };
    const build: Build = (inputs) => ops.matMul(at(inputs, 0), at(inputs, 1), options);
    const label = `${transposeA ? 'Aᵀ' : 'A'}·${transposeB ? 'Bᵀ' : 'B'}`;
    return [
      ...withGradients(`matMul: ${label}`, [{ shape: a }, { shape: b }], build),
      ...withGradients(`matMul: ${label}, batches broadcast`, [{ shape: [2, 1, ...a] }, { shape: [3, ...b] }], build),
      ...withGradients(`matMul: ${label}, one shared matrix`, [{ shape: [2, ...a] }, { shape: b }], build),
    ];
  });
  const convolutions: readonly (readonly [string, Shape, Shape, ops.Conv2dOptions])[] = [
    ['same 3×3', [2, 3, 5, 6], [4, 3, 3, 3], {}],
    ['1×1', [2, 3, 4, 4], [5, 3, 1, 1], {}],
    ['stride 2, 4×4', [1, 2, 8, 8], [3, 2, 4, 4], { stride: 2, padding: 1 }],
    [
      'stride 2, odd size',
      [1, 2, 7, 5],
      [2, 2, 3, 3],
      {
        stride: 2,
        padding: [
          [0, 1],
          [0, 1],
        ],
      },
    ],
    ['dilated', [1, 2, 7, 7], [2, 2, 3, 3], { dilation: 2 }],
    ['7×7', [1, 3, 8, 8], [2, 3, 7, 7], {}],
    ['padding beyond the filter', [1, 1, 3, 3], [1, 1, 1, 2], { padding: 2 }],
    ['no pictures', [0, 2, 4, 4], [3, 2, 3, 3], {}],
  ];
  return [
    ...products,
    forward('matMul: over nothing', [{ shape: [2, 0] }, { shape: [0, 3] }], (inputs) => ops.matMul(at(inputs, 0), at(inputs, 1))),
    ...convolutions.flatMap(([label, x, filter, options]) =>
      withGradients(`conv2d: ${label}`, [{ shape: x }, { shape: filter }], (inputs) => ops.conv2d(at(inputs, 0), at(inputs, 1), options)),
    ),
    ...convolutions.flatMap(([label, x, filter, options], index) => {
      const attributes = ops.conv2dAttributes(filter[2] ?? 1, filter[3] ?? 1, options);
      const out = trace('shape', (scope) => scope.output('y', ops.conv2d(scope.input('x', x), scope.input('f', filter), options)));
      const gradient = { shape: out.nodes[out.outputs[0]?.node ?? 0]?.shape ?? [] };
      // They are differentiable themselves, through their decomposition; the large filters would only take long.
      const make = index < 4 ? withGradients : (...given: Parameters<typeof forward>) => [forward(...given)];
      return [
        ...make(`conv2dInputGradient: ${label}`, [gradient, { shape: filter }], (inputs) =>
          apply('conv2dInputGradient', [at(inputs, 0), at(inputs, 1)], { ...attributes, inputShape: x }),
        ),
        ...make(`conv2dFilterGradient: ${label}`, [{ shape: x }, gradient], (inputs) =>
          apply('conv2dFilterGradient', [at(inputs, 0), at(inputs, 1)], { ...attributes, filterShape: filter }),
        ),
      ];
    }),
    ...withGradients('maxPool2d: 2', [{ shape: [2, 2, 4, 6], from: coarse }], (inputs) => ops.maxPool2d(at(inputs, 0))),
    ...withGradients('sumPool2d: 2', [{ shape: [2, 2, 4, 6] }], (inputs) => ops.sumPool2d(at(inputs, 0))),
    ...withGradients('upsampleNearest2d: 3', [{ shape: [1, 2, 2, 3] }], (inputs) => ops.upsampleNearest2d(at(inputs, 0), 3)),
  ];
}

function compositeCases(): ConformanceCase[] {
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
    forward('oneHot: depth 5', [{ shape: [2, 3], dtype: 'int32' }], (inputs) => ops.oneHot(at(inputs, 0), 5)),
    ...withGradients('gather: rows, repeated', [{ shape: [5, 3] }, { shape: [2, 4], dtype: 'int32' }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1))),
    ...withGradients('gather: axis 1', [{ shape: [2, 5, 3] }, { shape: [4], dtype: 'int32' }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1), 1)),
    forward('gather: by a scalar', [{ shape: [5, 3] }, { shape: [], dtype: 'int32' }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1))),
    forward('gather: no indices', [{ shape: [5, 3] }, { shape: [0], dtype: 'int32' }], (inputs) => ops.gather(at(inputs, 0), at(inputs, 1))),
    ...withGradients('scatterAdd: repeated rows', [{ shape: [2, 4], dtype: 'int32' }, { shape: [2, 4, 3] }], (inputs) => ops.scatterAdd(at(inputs, 0), at(inputs, 1), 6)),
    ...withGradients('scatterAdd: numbers', [{ shape: [7], dtype: 'int32' }, { shape: [7] }], (inputs) => ops.scatterAdd(at(inputs, 0), at(inputs, 1), 5)),
  ];
}

function loopCases(): ConformanceCase[] {
  const recurrent: Build = (inputs, scope) => {
    const weight = at(inputs, 1);
    const results = loop(scope, 4, [at(inputs, 0)], (iteration, [state = weight]) => {
      const next = ops.tanh(ops.add(ops.matMul(state, weight), ops.multiply(ops.cast(iteration, 'float32'), 0.1)));
      return { carried: [next], stacked: [ops.reduceSum(next, { axes: [1] })] };
    });
    return ops.add(results.carried[0] ?? weight, ops.reduceSum(results.stacked[0] ?? weight));
  };
  const counting: Build = (_, scope) => {
    const results = loop(scope, 5, [scope.literal(int32Array([], [0]))], (iteration, [sum = iteration]) => ({ carried: [ops.add(sum, iteration)], stacked: [ops.less(sum, 3)] }));
    return ops.add(results.carried[0] ?? scope.literal(int32Array([], [0])), ops.cast(results.stacked[0] ?? scope.literal(boolArray([1], [0])), 'int32'));
  };
  const nested: Build = (inputs, scope) => {
    const outer = at(inputs, 0);
    const results = loop(scope, 2, [outer], (iteration, [value = outer]) => {
      const inner = loop({ builder: iteration.builder }, 3, [value], (_, [deep = value]) => ({ carried: [ops.multiply(ops.add(deep, outer), 0.5)] }));
      return { carried: [ops.sin(inner.carried[0] ?? value)] };
    });
    return results.carried[0] ?? outer;
  };
  const square = { shape: [3, 3] };
  const stateful = trace('state: read and assigned', (scope) => {
    const total = scope.state('total', [2, 2]);
    const x = scope.input('x', [2, 2]);
    scope.output('before', total);
    scope.assign('total', ops.add(total, x));
  });
  const pair = (name: string): HostArray => valuesOf({ shape: [2, 2] }, name, 0);
  return [
    ...withGradients('loop: carried, captured and stacked', [square, square], recurrent),
    forward('loop: int32 carried, bool stacked', [], counting),
    ...withGradients('loop: nested', [{ shape: [2, 2] }], nested),
    { name: stateful.name, graph: stateful, inputs: { x: pair('x') }, state: new Map([['total', pair('total')]]), tolerance },
  ];
}

/** Axes of length zero, where engines differ or fail, and of length one, where they take short cuts. */
function edgeCases(): ConformanceCase[] {
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

/** Every operation, forward and gradient, over several shapes. Names are stable: exclusions go by them. */
export function conformanceCases(): ConformanceCase[] {
  return [...unaryCases(), ...binaryCases(), ...reductionCases(), ...shapeCases(), ...linearCases(), ...compositeCases(), ...loopCases(), ...edgeCases()];
}

/** Operations that appear in the cases, loop bodies included. */
export function coveredOperations(cases: readonly ConformanceCase[]): ReadonlySet<OperationName> {
  const covered = new Set<OperationName>();
  const visit = (graph: Graph): void => {
    for (const node of graph.nodes) {
      covered.add(node.operation);
      if (node.operation === 'loop') visit(node.attributes.body);
    }
  };
  for (const { graph } of cases) visit(graph);
  return covered;
}
